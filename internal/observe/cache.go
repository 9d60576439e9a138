// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package observe is the only reader of the cluster: facts before the plan, children after it, both from caches that
// hold no more than is read.
package observe

import (
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// CacheOptions says what the manager's caches hold: children by our label, pods that we caused, trimmed. Each child goes
// through ingest, which gets the function that drops what is not read here.
func CacheOptions(ingest func(trim func(client.Object)) toolscache.TransformFunc) (cache.Options, error) {
	ofWorkspace, err := labels.NewRequirement(v1beta1.LabelWorkspace, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, err
	}
	everything := func(trim toolscache.TransformFunc) cache.ByObject {
		return cache.ByObject{Label: labels.Everything(), Transform: trim}
	}
	shared := newCommon()
	return cache.Options{
		// A reconcile that is under way when an API goes must not bring its informer back: it would wait for it for ever.
		ReaderFailOnMissingInformer: true,
		// Children are the default because the caches must not name kinds whose API may be absent.
		DefaultLabelSelector: labels.NewSelector().Add(*ofWorkspace),
		DefaultTransform:     ingest(shared.trimChild),
		// Nothing that is read from the cache is changed; copies of everything on each reconcile would be the larger cost.
		DefaultUnsafeDisableDeepCopy: new(true),
		ByObject: map[client.Object]cache.ByObject{
			&v1beta1.Workspace{}: everything(shared.trimWorkspace),
			&corev1.Pod{}: {
				Label:     labels.SelectorFromSet(labels.Set{v1beta1.LabelManagedBy: v1beta1.ManagedBy}),
				Transform: trimPod,
			},
			&corev1.Node{}:      everything(trimNode),
			&corev1.ConfigMap{}: everything(ownOr(ingest(shared.trimChild), trimConfigMap)),
			&apiextensionsv1.CustomResourceDefinition{}: everything(trimCRD),
		},
	}, nil
}

// ownOr takes what carries our labels through one function, and the rest through the other.
func ownOr(own, rest toolscache.TransformFunc) toolscache.TransformFunc {
	return func(in any) (any, error) {
		obj, ok := in.(client.Object)
		if ok && obj.GetLabels()[v1beta1.LabelManagedBy] == v1beta1.ManagedBy && obj.GetLabels()[v1beta1.LabelWorkspace] != "" {
			return own(in)
		}
		return rest(in)
	}
}
