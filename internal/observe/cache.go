// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package observe is the only reader of the cluster: facts before the plan, children after it, both from caches that
// hold no more than is read.
package observe

import (
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/apply"
)

// CacheOptions says what the manager's caches hold: children by our label, pods that we caused, trimmed.
func CacheOptions() (cache.Options, error) {
	ofWorkspace, err := labels.NewRequirement(v1beta1.LabelWorkspace, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, err
	}
	child := cache.ByObject{
		Label:     labels.NewSelector().Add(*ofWorkspace),
		Transform: apply.Ingest(v1beta1.ManagedBy, trimChild),
	}
	return cache.Options{
		DefaultTransform: trimManagedFields,
		// Nothing that is read from the cache is changed; copies of everything on each reconcile would be the larger cost.
		DefaultUnsafeDisableDeepCopy: new(true),
		ByObject: map[client.Object]cache.ByObject{
			&appsv1.Deployment{}:            child,
			&appsv1.StatefulSet{}:           child,
			&corev1.Service{}:               child,
			&policyv1.PodDisruptionBudget{}: child,
			&sourcev1.OCIRepository{}:       child,
			&helmv2.HelmRelease{}:           child,
			&inferencev1.InferencePool{}:    {Label: child.Label, Transform: trimManagedFields},
			&corev1.Pod{}: {
				Label:     labels.SelectorFromSet(labels.Set{v1beta1.LabelManagedBy: v1beta1.ManagedBy}),
				Transform: trimPod,
			},
			&corev1.Node{}:      {Transform: trimNode},
			&corev1.ConfigMap{}: {Transform: trimConfigMap},
			&apiextensionsv1.CustomResourceDefinition{}: {Transform: trimCRD},
		},
	}, nil
}
