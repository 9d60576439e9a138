// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"reflect"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

func sameObject(a, b client.Object) bool {
	return a.GetName() == b.GetName() && reflect.TypeOf(a) == reflect.TypeOf(b)
}

func isPoolObject(obj client.Object) bool {
	switch obj.(type) {
	case *sourcev1.OCIRepository, *helmv2.HelmRelease, *policyv1.PodDisruptionBudget:
		return true
	default:
		return false
	}
}

// isOtherShape says that obj is the workload of the shape that the plan moved away from.
func (r *run) isOtherShape(obj client.Object) bool {
	switch obj.(type) {
	case *appsv1.Deployment:
		return r.shape == plan.ShapeStatefulSet
	case *appsv1.StatefulSet:
		return r.shape == plan.ShapeDeployment
	default:
		return false
	}
}
