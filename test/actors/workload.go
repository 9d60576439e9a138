// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// helmLabel is on what helm-controller installs; the release moves it.
const helmLabel = "helm.toolkit.fluxcd.io/name"

func (w *World) moveDeployment(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	d := &appsv1.Deployment{}
	if err := w.cache.Get(ctx, key, d); err != nil {
		return 0, err
	}
	want := replicas(d.Spec.Replicas)
	current := d.Status.ObservedGeneration == d.Generation && d.Status.ReadyReplicas == want && d.Status.Replicas == want
	if current || d.Labels[helmLabel] != "" || w.fate(d.Labels[v1beta1.LabelWorkspace]) == Hangs {
		return 0, nil
	}
	if wait := w.wait(item{kind: "Deployment", key: key}, d.Generation, w.options.Workload); wait > 0 {
		return wait, nil
	}
	if err := w.status(ctx, d, DeploymentStatus(d.Generation, want, want)); err != nil {
		return 0, err
	}
	w.moved(d)
	return 0, nil
}

// DeploymentStatus is a merge patch for the status of a Deployment whose pods are all of the newest revision.
func DeploymentStatus(generation int64, exist, ready int32) []byte {
	available := "True"
	if ready < exist {
		available = "False"
	}
	now := time.Now().UTC().Format(time.RFC3339)
	return fmt.Appendf(nil, `{"status":{"observedGeneration":%d,"replicas":%d,"updatedReplicas":%d,"readyReplicas":%d,"availableReplicas":%d,`+
		`"conditions":[{"type":"Available","status":%q,"reason":"MinimumReplicas","lastTransitionTime":%q,"lastUpdateTime":%q}]}}`,
		generation, exist, exist, ready, ready, available, now, now)
}

func (w *World) moveStatefulSet(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	s := &appsv1.StatefulSet{}
	if err := w.cache.Get(ctx, key, s); err != nil {
		return 0, err
	}
	want := replicas(s.Spec.Replicas)
	current := s.Status.ObservedGeneration == s.Generation && s.Status.ReadyReplicas == want
	if current || w.fate(s.Labels[v1beta1.LabelWorkspace]) == Hangs {
		return 0, nil
	}
	if wait := w.wait(item{kind: "StatefulSet", key: key}, s.Generation, w.options.Workload); wait > 0 {
		return wait, nil
	}
	patch := fmt.Appendf(nil, `{"status":{"observedGeneration":%d,"replicas":%d,"updatedReplicas":%d,"currentReplicas":%d,"readyReplicas":%d,"availableReplicas":%d}}`,
		s.Generation, want, want, want, want, want)
	if err := w.status(ctx, s, patch); err != nil {
		return 0, err
	}
	w.moved(s)
	return 0, nil
}

func replicas(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}
