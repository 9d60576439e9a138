// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	case *route.Certificate, *corev1.ConfigMap:
		if r.certificateErr != nil {
			return true
		}
	case *gatewayv1.HTTPRoute, *gatewayv1.BackendTLSPolicy, *route.DestinationRule:
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

// prove has a request through each Gateway show that the Endpoint Picker is asked, once everything else is as it should be.
func (r *run) prove(context.Context) error {
	key := client.ObjectKeyFromObject(r.ws)
	if r.planErr != nil || r.plan.Route == nil || !r.plan.Route.Probe || !status.Provable(r.input()) {
		r.prober.forget(key)
		return nil
	}
	gates, ok := r.gates()
	if !ok {
		r.prober.forget(key)
		return nil
	}
	r.routing.Proof = r.prober.proof(key, r.state(gates), gates)
	return nil
}

// gates are the Gateways, and what to ask of them. There are none as long as one of them cannot be reached.
func (r *run) gates() ([]gate, bool) {
	var gates []gate
	for _, parent := range r.plan.Route.Parents {
		target := probe.Target{}
		if len(r.plan.Models) > 0 {
			target.Model = r.plan.Models[0]
		}
		for _, entrance := range status.Entrances(r.plan, r.routing, parent) {
			target.Doors = append(target.Doors, probe.Door{URL: entrance.URL(), Address: entrance.Address})
		}
		if len(target.Doors) == 0 {
			return nil, false
		}
		gates = append(gates, gate{name: parent.String(), target: target})
	}
	return gates, true
}

// state changes with whatever the way of a request depends on, as far as it can be seen.
func (r *run) state(gates []gate) string {
	parts := []string{fmt.Sprintf("%v", gates), strings.Join(r.plan.Route.Models, ",")}
	for _, obj := range slices.Concat(
		objects(r.routing.Gateways), objects(r.routing.Foreign), objects(r.routing.Rules), r.routerObjects(),
		[]client.Object{r.children.InferencePool, r.children.EPP},
	) {
		parts = append(parts, version(obj))
	}
	for _, router := range r.routing.Routers {
		parts = append(parts, router.Failing())
	}
	var unordered []string
	for _, obj := range r.children.Owned {
		switch obj := obj.(type) {
		case *gatewayv1.HTTPRoute, *gatewayv1.BackendTLSPolicy, *route.DestinationRule:
			unordered = append(unordered, version(obj))
		case *corev1.ConfigMap:
			unordered = append(unordered, obj.Data[route.AuthorityKey])
		}
	}
	for _, pod := range r.children.EPPPods {
		unordered = append(unordered, instance(pod))
	}
	// Caches list in the order of maps.
	slices.Sort(unordered)
	return strings.Join(append(parts, unordered...), "|")
}

// routerObjects are what is known of body-based routing at the Gateways.
func (r *run) routerObjects() []client.Object {
	var all []client.Object
	for _, router := range r.routing.Routers {
		all = append(all, router.Release)
		if router.Deployment != nil {
			all = append(all, router.Deployment)
		}
	}
	return all
}

func version(obj client.Object) string {
	return fmt.Sprintf("%T/%s/%d", obj, obj.GetUID(), obj.GetGeneration())
}

// instance is a pod between two starts of its containers. The caches do not count further than one restart, but they show
// that a container was not ready in between.
func instance(pod *corev1.Pod) string {
	parts := []string{string(pod.UID)}
	for _, c := range pod.Status.ContainerStatuses {
		parts = append(parts, fmt.Sprintf("%s %d %v", c.Name, c.RestartCount, c.Ready))
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

func objects[T client.Object](in []T) []client.Object {
	out := make([]client.Object, 0, len(in))
	for _, obj := range in {
		out = append(out, obj)
	}
	return out
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
