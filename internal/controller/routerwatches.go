// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/source"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/observe"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// build returns the controller, which watches Workspaces, what Flux installed, and budgets, whose witness it is given; the
// other watches start when their APIs are served, and all tells of that.
func (g *routers) build(mgr manager.Manager, all <-chan event.GenericEvent, budgets witness) (controller.Controller, error) {
	atGateways := func(_ context.Context, obj client.Object) []ctrl.Request {
		return requestsOf(plan.ParentsOf(obj.(*v1beta1.Workspace), g.config.Gateway.Default))
	}
	return ctrl.NewControllerManagedBy(mgr).Named("body-based-routing").
		Watches(&v1beta1.Workspace{}, handler.EnqueueRequestsFromMapFunc(atGateways), claimsMove()).
		WatchesRawSource(source.Channel(all, handler.EnqueueRequestsFromMapFunc(g.everyGateway))).
		Watches(&appsv1.Deployment{}, handler.EnqueueRequestsFromMapFunc(g.gatewayOfInstalled), changed()).
		Watches(&policyv1.PodDisruptionBudget{}, forgetting{EventHandler: handler.EnqueueRequestsFromMapFunc(gatewayOf), witness: budgets}, changed()).
		Build(g)
}

// everyGateway are those that any Workspace is offered at.
func (g *routers) everyGateway(ctx context.Context, _ client.Object) []ctrl.Request {
	list := &v1beta1.WorkspaceList{}
	if err := g.client.List(ctx, list); err != nil {
		log.FromContext(ctx).Error(err, "listing Workspaces that are offered at Gateways")
		return nil
	}
	var parents []plan.Parent
	for i := range list.Items {
		for _, parent := range plan.ParentsOf(&list.Items[i], g.config.Gateway.Default) {
			if parent.Section = ""; !slices.Contains(parents, parent) {
				parents = append(parents, parent)
			}
		}
	}
	return requestsOf(parents)
}

func requestsOf(parents []plan.Parent) []ctrl.Request {
	var requests []ctrl.Request
	for _, parent := range parents {
		requests = append(requests, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: parent.Namespace, Name: parent.Name}})
	}
	return requests
}

// gatewaysOf is gatewayOf, and all Gateways of the namespace that a grant is for: they have it in common.
func (g *routers) gatewaysOf(ctx context.Context, obj client.Object) []ctrl.Request {
	grant, ok := obj.(*gatewayv1beta1.ReferenceGrant)
	if !ok {
		return gatewayOf(ctx, obj)
	}
	namespace, ok := strings.CutPrefix(grant.Name, g.config.Gateway.BodyBasedRouting.ModelsService+"-")
	if !ok || grant.Namespace != g.namespace {
		return nil
	}
	list := &gatewayv1.GatewayList{}
	if !g.apis.current().Routes() {
		return nil
	}
	if err := g.routes.List(ctx, list, client.InNamespace(namespace)); err != nil {
		log.FromContext(ctx).Error(err, "listing the Gateways that a ReferenceGrant is for")
	}
	var requests []ctrl.Request
	for i := range list.Items {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// gatewayOf maps a Gateway to itself, and the Flux objects of a router to the Gateway that they belong to.
func gatewayOf(_ context.Context, obj client.Object) []ctrl.Request {
	name := obj.GetName()
	if _, isGateway := obj.(*gatewayv1.Gateway); !isGateway {
		owner := metav1.GetControllerOf(obj)
		if owner == nil || owner.Kind != "Gateway" || !strings.HasPrefix(owner.APIVersion, gatewayv1.GroupName) {
			return nil
		}
		name = owner.Name
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: obj.GetNamespace(), Name: name}}}
}

// workspacesOfRouter are those at the Gateway whose router changed.
func (r *Reconciler) workspacesOfRouter(ctx context.Context, obj client.Object) []ctrl.Request {
	var requests []ctrl.Request
	for _, gateway := range gatewayOf(ctx, obj) {
		requests = append(requests, r.requests(ctx, func(*v1beta1.Workspace) bool { return true },
			client.MatchingFields{observe.ByGateway: gateway.String()})...)
	}
	return requests
}

// concernsRouters says that routers depend on objects of a kind.
func concernsRouters(kind client.Object) bool {
	switch kind.(type) {
	case *gatewayv1.Gateway, *gatewayv1.HTTPRoute, *gatewayv1beta1.ReferenceGrant, *sourcev1.OCIRepository, *helmv2.HelmRelease:
		return true
	default:
		return false
	}
}
