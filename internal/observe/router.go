// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// RouterOf is the name of the router at a Gateway that a Deployment or a pod belongs to by its labels; empty if to none.
func RouterOf(obj client.Object) string {
	labels := obj.GetLabels()
	switch {
	case WorkspaceOf(obj) != "":
		return ""
	case labels[v1beta1.LabelGateway] != "":
		return labels[v1beta1.LabelGateway]
	default:
		return labels[helmReleaseLabel]
	}
}

// ReadRouter reads body-based routing at one Gateway, as far as it exists. To be called while Flux's API is served.
func ReadRouter(ctx context.Context, cache client.Reader, key client.ObjectKey) (status.Router, error) {
	var r status.Router
	release, deployment := &helmv2.HelmRelease{}, &appsv1.Deployment{}
	if found, err := read(ctx, cache, key, release); err != nil {
		return r, err
	} else if found {
		r.Release = release
	}
	if found, err := read(ctx, cache, key, deployment); err != nil {
		return r, err
	} else if found && RouterOf(deployment) == key.Name {
		r.Deployment = deployment
	}
	if r.Release == nil || r.Serves() && r.Settled() {
		return r, nil
	}
	pods := &corev1.PodList{}
	err := cache.List(ctx, pods, client.InNamespace(key.Namespace), client.MatchingLabels{v1beta1.LabelGateway: key.Name})
	if err != nil {
		return r, fmt.Errorf("listing the pods of the router %s: %w", key, err)
	}
	for i := range pods.Items {
		r.Pods = append(r.Pods, &pods.Items[i])
	}
	return r, nil
}

// read says whether an object of a router is there.
func read(ctx context.Context, cache client.Reader, key client.ObjectKey, into client.Object) (bool, error) {
	err := cache.Get(ctx, key, into)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading %T of the router %s: %w", into, key, err)
	}
	return err == nil, nil
}
