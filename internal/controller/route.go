// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/probe"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

func (r *run) wantsRoute() bool { return r.planErr == nil && r.plan.Route != nil && r.routeErr == nil }

// applyRoute writes the HTTPRoute and what makes the gateway verify the Endpoint Picker.
func (r *run) applyRoute(ctx context.Context) error {
	if r.planErr != nil || r.plan.Route == nil {
		return nil
	}
	routing, err := r.observer.Routing(ctx, r.plan, r.served)
	if err != nil {
		return err
	}
	r.routing = routing
	r.routing.Strangers = r.strangersAt(r.plan.Route.Parents)
	if len(routing.Missing) > 0 || r.routeErr != nil {
		return nil
	}
	if r.routeErr = r.routePreconditions(ctx); r.routeErr != nil {
		return nil
	}
	objects, err := route.Render(r.plan)
	if err != nil {
		return err
	}
	// The rule first: without it the first requests would pass the Endpoint Picker by.
	if security, ok := objects.Security(); ok {
		if _, err := r.apply(ctx, security.(client.Object)); err != nil {
			r.routeErr = err
			return nil
		}
	}
	r.routeChanging, r.routeErr = r.apply(ctx, objects.HTTPRoute)
	return nil
}

// strangersAt are those that keep routers out of Gateways, by namespace/name of these.
func (r *run) strangersAt(parents []plan.Parent) map[string]string {
	found := map[string]string{}
	for _, parent := range parents {
		gateway := types.NamespacedName{Namespace: parent.Namespace, Name: parent.Name}
		if who := r.strangers.of(gateway); who != "" {
			found[gateway.String()] = who
		}
	}
	return found
}

func (r *run) routePreconditions(ctx context.Context) error {
	if r.plan.Route.Refused != "" {
		return &outcome.Terminal{Reason: r.plan.Route.RefusedReason, Err: errors.New(r.plan.Route.Refused)}
	}
	claim, holder, err := r.observer.Holder(ctx, r.ws, r.presets.now())
	if err != nil {
		return err
	}
	if holder.UID != r.ws.UID {
		return &outcome.Waiting{Reason: v1beta1.ReasonRouteConflict, Message: fmt.Sprintf(
			"Workspace %s/%s, which is older, has %s: write other inference.gateway.hostnames, or %s",
			holder.Namespace, holder.Name, claim, r.plan.InsteadOf(claim))}
	}
	return nil
}

// keepsRoute says that an object of the route stays although it was not wanted this time: only a match that it must not
// have takes it away.
func (r *run) keepsRoute(obj client.Object) bool {
	switch obj.(type) {
	case *gatewayv1.HTTPRoute, *gatewayv1.BackendTLSPolicy, *route.DestinationRule, *route.Certificate, *corev1.ConfigMap:
	default:
		return false
	}
	if r.plan.Route == nil || r.routeErr == nil {
		return r.plan.Route != nil && len(r.routing.Missing) > 0
	}
	reason, _ := status.Explain(r.routeErr)
	return reason != v1beta1.ReasonRouteConflict && reason != v1beta1.ReasonModelsNotNamed || !isHTTPRoute(obj)
}

func isHTTPRoute(obj client.Object) bool {
	_, ok := obj.(*gatewayv1.HTTPRoute)
	return ok
}

// prove has a request show that the Endpoint Picker is asked, once everything else is as it should be.
func (r *run) prove(context.Context) error {
	if !r.wantsRoute() || !r.plan.Route.Probe {
		r.prober.forget(client.ObjectKeyFromObject(r.ws))
		return nil
	}
	entrance, ok := status.Entrance(r.plan, r.routing)
	if !ok || !status.Provable(r.input()) {
		return nil
	}
	target := probe.Target{Scheme: entrance.Scheme, Address: entrance.Address, Host: entrance.Host}
	if len(r.plan.Route.Models) > 0 {
		// Not as a header, which would hide that nobody reads bodies.
		target.Model = r.plan.Route.Models[0]
	}
	r.routing.Proof = r.prober.proof(client.ObjectKeyFromObject(r.ws), r.state(entrance), target)
	return nil
}

// state changes with whatever the way of a request depends on.
func (r *run) state(entrance status.Endpoint) string {
	parts := []string{entrance.URL(), entrance.Host, strings.Join(r.plan.Route.Models, ",")}
	add := func(obj client.Object) {
		parts = append(parts, fmt.Sprintf("%T/%s/%d", obj, obj.GetUID(), obj.GetGeneration()))
	}
	for _, g := range r.routing.Gateways {
		add(g)
	}
	for _, foreign := range r.routing.Foreign {
		add(foreign)
	}
	for _, router := range r.routing.Routers {
		add(router)
	}
	for _, obj := range r.children.Owned {
		switch obj := obj.(type) {
		case *gatewayv1.HTTPRoute, *gatewayv1.BackendTLSPolicy, *route.DestinationRule:
			add(obj)
		case *corev1.ConfigMap:
			parts = append(parts, obj.Data[route.AuthorityKey])
		}
	}
	add(r.children.InferencePool)
	add(r.children.EPP)
	for _, pod := range r.children.EPPPods {
		parts = append(parts, string(pod.UID))
	}
	return strings.Join(parts, "|")
}

// refresh touches a pool whose Endpoint Picker a gateway does not find although it is there.
func (r *run) refresh(ctx context.Context) error {
	if !status.StalePool(r.input()) {
		return nil
	}
	pool := r.children.InferencePool
	last, err := time.Parse(time.RFC3339Nano, pool.Annotations[v1beta1.AnnotationTouched])
	if err == nil && r.now.Sub(last) < repairInterval {
		r.repairAfter = last.Add(repairInterval).Sub(r.now)
		return nil
	}
	r.repairAfter = repairInterval
	if err := r.applier.Annotate(ctx, pool, v1beta1.AnnotationTouched, r.now.UTC().Format(time.RFC3339Nano)); err != nil && !meta.IsNoMatchError(err) {
		return err
	}
	return nil
}
