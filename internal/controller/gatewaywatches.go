// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/observe"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// indexGateways indexes Workspaces over the Gateways that they are offered at and what they claim there.
func indexGateways(ctx context.Context, mgr manager.Manager, gateway configv1alpha1.Gateway) error {
	for name, keys := range map[string]func(*v1beta1.Workspace) []string{
		observe.ByClaim: func(ws *v1beta1.Workspace) []string { return plan.ClaimKeys(ws, gateway) },
		observe.ByGateway: func(ws *v1beta1.Workspace) []string {
			var keys []string
			for _, parent := range plan.ParentsOf(ws, gateway.Default) {
				keys = append(keys, parent.Namespace+"/"+parent.Name)
			}
			return keys
		},
	} {
		err := mgr.GetFieldIndexer().IndexField(ctx, &v1beta1.Workspace{}, name, func(obj client.Object) []string {
			return keys(obj.(*v1beta1.Workspace))
		})
		if err != nil {
			return fmt.Errorf("indexing Workspaces by %s: %w", name, err)
		}
	}
	return nil
}

// indexOptional indexes a kind whose API may be absent.
func indexOptional(ctx context.Context, of cache.Cache, kind client.Object) error {
	switch kind.(type) {
	case *gatewayv1.Gateway, *gatewayv1.GatewayClass, *gatewayv1beta1.ReferenceGrant:
		return nil
	case *route.DestinationRule:
		err := of.IndexField(ctx, kind, observe.ByHost, func(obj client.Object) []string {
			return observe.HostsOf(obj.(*route.DestinationRule))
		})
		if err != nil {
			return fmt.Errorf("indexing DestinationRules: %w", err)
		}
	case *gatewayv1.HTTPRoute:
		err := of.IndexField(ctx, kind, observe.ByPool, func(obj client.Object) []string {
			return route.PoolsOf(obj.(*gatewayv1.HTTPRoute))
		})
		if err != nil {
			return fmt.Errorf("indexing HTTPRoutes: %w", err)
		}
	}
	return index(ctx, of, kind)
}

// optionalHandler maps events of a kind whose API may be absent to Workspaces.
func (r *Reconciler) optionalHandler(mgr manager.Manager, kind client.Object) handler.EventHandler {
	switch kind.(type) {
	case *gatewayv1.Gateway:
		return background{handler.EnqueueRequestsFromMapFunc(r.workspacesAtGateway)}
	case *gatewayv1beta1.ReferenceGrant:
		return forgetting{EventHandler: handler.Funcs{}, witness: r.witnessOf(mgr, kind)}
	case *gatewayv1.GatewayClass:
		return background{handler.EnqueueRequestsFromMapFunc(r.workspacesAtGateways)}
	case *gatewayv1.HTTPRoute:
		return forgetting{EventHandler: handler.EnqueueRequestsFromMapFunc(r.workspacesOfRoute), witness: r.witnessOf(mgr, kind)}
	case *route.DestinationRule:
		return forgetting{EventHandler: handler.EnqueueRequestsFromMapFunc(r.workspacesOfRule), witness: r.witnessOf(mgr, kind)}
	case *helmv2.HelmRelease:
		return forgetting{EventHandler: handler.EnqueueRequestsFromMapFunc(r.workspacesOfRelease), witness: r.witnessOf(mgr, kind)}
	default:
		return r.childHandler(mgr, kind)
	}
}

// workspacesOfRelease are the one whose pool it is, or all whose requests the router reads.
func (r *Reconciler) workspacesOfRelease(ctx context.Context, obj client.Object) []ctrl.Request {
	return append(workspaceOf(ctx, obj), r.workspacesOfRouter(ctx, obj)...)
}

// workspacesOfInstalled are those whose requests a router reads that a Deployment or a pod belongs to. Nobody reads pods
// while one of them serves.
func (r *Reconciler) workspacesOfInstalled(ctx context.Context, obj client.Object) []ctrl.Request {
	router, ok := installedRouter(ctx, r.client, r.apis, obj)
	if _, isPod := obj.(*corev1.Pod); !ok || isPod && router.Serves() {
		return nil
	}
	return r.workspacesOfRouter(ctx, router.Release)
}

// gatewayOfInstalled maps the Deployment of a router to its Gateway.
func (g *routers) gatewayOfInstalled(ctx context.Context, obj client.Object) []ctrl.Request {
	router, ok := installedRouter(ctx, g.client, g.apis, obj)
	if !ok {
		return nil
	}
	return gatewayOf(ctx, router.Release)
}

// installedRouter is the router that a Deployment or a pod belongs to, if it has a release.
func installedRouter(ctx context.Context, from client.Reader, apis *optionalAPIs, obj client.Object) (status.Router, bool) {
	name := observe.RouterOf(obj)
	if name == "" || !apis.current().Flux {
		return status.Router{}, false
	}
	router, err := observe.ReadRouter(ctx, from, client.ObjectKey{Namespace: obj.GetNamespace(), Name: name})
	if err != nil {
		log.FromContext(ctx).Error(err, "reading the router that something belongs to", "object", client.ObjectKeyFromObject(obj))
	}
	return router, err == nil && router.Release != nil
}

func (r *Reconciler) workspacesAtGateway(ctx context.Context, obj client.Object) []ctrl.Request {
	return r.requests(ctx, func(*v1beta1.Workspace) bool { return true },
		client.MatchingFields{observe.ByGateway: obj.GetNamespace() + "/" + obj.GetName()})
}

func (r *Reconciler) workspacesAtGateways(ctx context.Context, _ client.Object) []ctrl.Request {
	return r.requests(ctx, func(ws *v1beta1.Workspace) bool { return len(plan.ParentsOf(ws, r.gateway.Default)) > 0 })
}

// workspacesOfRoute are the one whose route it is, and those whose pools it sends requests to.
func (r *Reconciler) workspacesOfRoute(ctx context.Context, obj client.Object) []ctrl.Request {
	requests := workspaceOf(ctx, obj)
	if !r.apis.current().InferencePool {
		return requests
	}
	for _, key := range route.PoolsOf(obj.(*gatewayv1.HTTPRoute)) {
		pool := &inferencev1.InferencePool{}
		err := r.client.Get(ctx, namespacedName(key), pool)
		if client.IgnoreNotFound(err) != nil {
			log.FromContext(ctx).Error(err, "reading the pool of an HTTPRoute", "pool", key)
		}
		if err == nil {
			requests = append(requests, workspaceOf(ctx, pool)...)
		}
	}
	return requests
}

// workspacesOfRule are the one whose rule it is, or those whose Endpoint Pickers it concerns.
func (r *Reconciler) workspacesOfRule(ctx context.Context, obj client.Object) []ctrl.Request {
	rule := obj.(*route.DestinationRule)
	hosts := observe.HostsOf(rule)
	if len(hosts) == 0 {
		return workspaceOf(ctx, obj)
	}
	if hosts[0] == observe.AnyHost {
		return r.requests(ctx, func(ws *v1beta1.Workspace) bool {
			return slices.ContainsFunc(plan.ParentsOf(ws, r.gateway.Default), func(p plan.Parent) bool { return p.Namespace == rule.Namespace })
		})
	}
	service, ok := route.PickerOf(hosts[0])
	if !ok {
		return nil
	}
	// Its Deployment has the same name.
	picker := &appsv1.Deployment{}
	if err := r.client.Get(ctx, service, picker); err != nil {
		if client.IgnoreNotFound(err) != nil {
			log.FromContext(ctx).Error(err, "reading the endpoint picker of a DestinationRule", "host", hosts[0])
		}
		return nil
	}
	return workspaceOf(ctx, picker)
}

func namespacedName(key string) types.NamespacedName {
	namespace, name, _ := strings.Cut(key, "/")
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// rivals are the Workspaces that claim what this one claims, and have it only without this one. Those that go before it
// are not concerned by it: otherwise each of N would have all others look again.
func (r *Reconciler) rivals(ctx context.Context, obj client.Object) []ctrl.Request {
	ws := obj.(*v1beta1.Workspace)
	var requests []ctrl.Request
	for _, claim := range plan.ClaimsOf(ws, r.gateway, r.presets.now()) {
		for _, key := range claim.Keys() {
			requests = append(requests, r.requests(ctx, func(other *v1beta1.Workspace) bool { return yields(other, ws) },
				client.MatchingFields{observe.ByClaim: key})...)
		}
	}
	return requests
}

// yields says that one Workspace has a claim only as long as the other, deleted or not, does not.
func yields(ws, to *v1beta1.Workspace) bool {
	rival := &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{
		Namespace: to.Namespace, Name: to.Name, UID: to.UID, CreationTimestamp: to.CreationTimestamp,
	}}
	return observe.Before(rival, ws)
}

// claimsMove lets through what can change who has a claim.
func claimsMove() builder.WatchesOption {
	return builder.WithPredicates(predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() ||
			e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero() ||
			observe.Routeless(e.ObjectOld.(*v1beta1.Workspace)) != observe.Routeless(e.ObjectNew.(*v1beta1.Workspace))
	}})
}
