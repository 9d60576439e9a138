// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/metrics"
)

// measure adds our metrics to those that the manager serves.
func (r *Reconciler) measure(ctx context.Context, mgr manager.Manager) error {
	informer, err := mgr.GetCache().GetInformer(ctx, &v1beta1.Workspace{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watching Workspaces: %w", err)
	}
	stored, ok := informer.(interface{ GetStore() toolscache.Store })
	if !ok {
		return fmt.Errorf("counting Workspaces: a %T keeps no store", informer)
	}
	// The store itself and not the cache: a list would copy every Workspace at each scrape.
	workspaces := func(yield func(*v1beta1.Workspace) bool) {
		for _, obj := range stored.GetStore().List() {
			if ws, ok := obj.(*v1beta1.Workspace); ok && !yield(ws) {
				return
			}
		}
	}
	if err := r.metrics.Register(ctrlmetrics.Registry, metrics.NewFleet(workspaces, mgr.Elected())); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	return nil
}
