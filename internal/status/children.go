// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"slices"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// Children are what the caches hold of a Workspace's objects. Objects that are trimmed there keep what is read here.
type Children struct {
	Deployments  []*appsv1.Deployment
	StatefulSets []*appsv1.StatefulSet
	// Pods are the model's.
	Pods []*corev1.Pod

	Repository *sourcev1.OCIRepository
	Release    *helmv2.HelmRelease
	// InferencePool, EPP and EPPPods are what the chart made.
	InferencePool *inferencev1.InferencePool
	EPP           *appsv1.Deployment
	EPPPods       []*corev1.Pod
}

// PoolShape is the shape that the pool selects by, given the one that was admitted: as long as a StatefulSet is there, pods
// other than index 0 are. Pods of a Deployment carry index 0 too, so that they stay in the pool on the way from one shape
// to the other.
func (c Children) PoolShape(admitted plan.Shape) plan.Shape {
	if len(c.StatefulSets) > 0 {
		return plan.ShapeStatefulSet
	}
	return admitted
}

// WorkloadShape is the shape of the workload that is there; empty if none is.
func (c Children) WorkloadShape() plan.Shape {
	switch {
	case len(c.StatefulSets) > 0:
		return plan.ShapeStatefulSet
	case len(c.Deployments) > 0:
		return plan.ShapeDeployment
	default:
		return ""
	}
}

// Serving says that a pod of the model is Ready, of whatever revision.
func (c Children) Serving() bool {
	return slices.ContainsFunc(c.Pods, func(pod *corev1.Pod) bool { return pod.DeletionTimestamp == nil && isReady(pod) })
}
