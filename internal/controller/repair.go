// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/internal/apply"
	"github.com/workspace-operator/workspace-operator/internal/observe"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

const (
	// requestedAt makes Flux reconcile an object at once.
	requestedAt = "reconcile.fluxcd.io/requestedAt"
	// repairInterval is how long a repair that was asked for gets before it is asked for again.
	repairInterval = 30 * time.Second
	// showInterval is how long what a release installed gets to show in our caches: each kind has a watch of its own, and
	// that of the release can be the first to tell.
	showInterval = 2 * time.Second
)

// askForRepair has Flux look at a Ready release at once, if it has not been asked a moment ago. It returns whether it was
// asked now, and when to look again.
func askForRepair(ctx context.Context, applier *apply.Applier, release *helmv2.HelmRelease, now time.Time) (bool, time.Duration, error) {
	ready := meta.FindStatusCondition(release.Status.Conditions, fluxmeta.ReadyCondition)
	if age := now.Sub(ready.LastTransitionTime.Time); age >= 0 && age < showInterval {
		return false, showInterval - age, nil
	}
	last, err := time.Parse(time.RFC3339Nano, release.Annotations[requestedAt])
	if err == nil && now.Sub(last) < repairInterval {
		return false, last.Add(repairInterval).Sub(now), nil
	}
	if err := applier.Annotate(ctx, release, requestedAt, now.UTC().Format(time.RFC3339Nano)); err != nil {
		return false, repairInterval, err
	}
	return true, repairInterval, nil
}

// repair asks Flux to look at once when nothing that it installed can answer the Gateway. It returns when to look again.
func (g *routers) repair(ctx context.Context, gateway *gatewayv1.Gateway) (time.Duration, error) {
	router, err := observe.ReadRouter(ctx, g.client, types.NamespacedName{Namespace: gateway.Namespace, Name: plan.RouterName(gateway.Name)})
	if err != nil || !router.NeedsRepair() {
		return 0, err
	}
	asked, again, err := askForRepair(ctx, g.applier, router.Release, time.Now())
	if asked {
		g.metrics.RepairRequested()
	}
	return again, err
}
