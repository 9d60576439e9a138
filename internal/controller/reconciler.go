// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controller runs a Workspace's reconcile: a table of phases over values that the other packages compute.
package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/apply"
	"github.com/workspace-operator/workspace-operator/internal/metrics"
	"github.com/workspace-operator/workspace-operator/internal/observe"
)

// Reconciler brings Workspaces to what they ask for. It holds no state that a restart would miss.
type Reconciler struct {
	client   client.Client
	applier  *apply.Applier
	observer *observe.Observer
	presets  *catalogue
	apis     *optionalAPIs
	statuses *statusWriter

	gateway     configv1alpha1.Gateway
	authorities *authorities
	prober      *prober
	strangers   *strangers
	// leaves are the certificates that this process made, by Workspace.
	leaves sync.Map
	// ending are the UIDs of Workspaces whose namespace is being deleted, by Workspace.
	ending sync.Map

	metrics *metrics.Metrics
	losses  losses
}

func newReconciler(mgr ctrl.Manager, observer *observe.Observer, presets *catalogue, apis *optionalAPIs, recorder events.EventRecorder) *Reconciler {
	counted := metrics.New()
	return &Reconciler{
		client:   mgr.GetClient(),
		applier:  apply.New(mgr.GetClient(), mgr.GetAPIReader(), v1beta1.ManagedBy),
		observer: observer,
		presets:  presets,
		apis:     apis,
		statuses: newStatusWriter(mgr.GetClient(), recorder, counted),
		prober:   newProber(),
		metrics:  counted,

		strangers: newStrangers(),
	}
}

// Reconcile takes one Workspace through all phases. A phase that fails leaves its error for the status, and later phases
// decide by it what they may still do: what serves now is never taken away because something new cannot be made.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	lost := r.losses.take(req.NamespacedName)
	ws := &v1beta1.Workspace{}
	if err := r.client.Get(ctx, req.NamespacedName, ws); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("reading Workspace: %w", err)
	} else if err != nil || ws.DeletionTimestamp != nil {
		// The garbage collector removes what we made, and Flux uninstalls what it installed.
		r.statuses.forget(req.NamespacedName)
		r.prober.forget(req.NamespacedName)
		r.leaves.Delete(req.NamespacedName)
		r.ending.Delete(req.NamespacedName)
		r.metrics.Forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if uid, ends := r.ending.Load(req.NamespacedName); ends && uid == ws.UID {
		// It goes in a moment, and each of its children brings us here when it goes: all would be refused again.
		return ctrl.Result{}, nil
	}
	run := &run{Reconciler: r, ws: ws, now: time.Now(), lost: lost}
	for _, phase := range []func(context.Context) error{
		run.observe,
		run.decide,
		run.applyWorkload,
		run.keepServing,
		run.applyCertificate,
		run.applyPool,
		run.applyRoute,
		run.prune,
		run.repair,
		run.refresh,
		run.prove,
		run.report,
	} {
		if err := phase(ctx); err != nil {
			return ctrl.Result{}, err
		}
	}
	return run.result()
}
