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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/certificate"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/probe"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// applyCertificate writes what the Endpoint Picker serves and what gateways verify it by, before the pool that mounts it.
func (r *run) applyCertificate(ctx context.Context) error {
	if !r.wantsRoute() || r.plan.Route.TLS == nil {
		return nil
	}
	trust, known := r.children.Find(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: r.plan.Route.TLS.Name}}).(*corev1.ConfigMap)
	if err := r.certify(ctx, trust); err != nil {
		r.routeErr = certificateError(err)
		if !known {
			// There is nothing to mount yet: the pool must not wait for it.
			pool := *r.plan.Pool
			pool.TLSSecret = ""
			r.plan.Pool = &pool
		}
	}
	return nil
}

func certificateError(err error) error {
	if _, ok := errors.AsType[*outcome.Waiting](err); ok {
		return err
	}
	return &outcome.Waiting{Reason: v1beta1.ReasonCertificateUnavailable, After: takenInterval, Message: err.Error()}
}

// certify has the Secret and the ConfigMap hold a certificate that is good for a while.
func (r *run) certify(ctx context.Context, trust *corev1.ConfigMap) error {
	authority, err := r.authorities.at(ctx, r.now)
	if err != nil {
		return err
	}
	var text []byte
	if trust != nil {
		text = []byte(trust.Data[corev1.TLSCertKey])
	}
	renewal, serves := authority.Serves(r.now, text, r.plan.Route.TLS.DNSNames)
	if lost, err := r.secretLost(ctx); err != nil {
		return err
	} else if lost || !serves {
		leaf, err := r.leaf(authority)
		if err != nil {
			return err
		}
		if _, err := r.apply(ctx, route.Certificate(r.plan, leaf.Certificate, leaf.Key)); err != nil {
			return err
		}
		text = leaf.Certificate
		renewal, _ = authority.Serves(r.now, text, r.plan.Route.TLS.DNSNames)
	}
	r.renewal = renewal.Sub(r.now)
	_, err = r.apply(ctx, route.Trust(r.plan, authority.Trusted(), text))
	return err
}

// leaf returns the certificate that this process made a moment ago and the caches do not show yet, else a new one.
func (r *run) leaf(authority certificate.Authority) (certificate.Leaf, error) {
	names := r.plan.Route.TLS.DNSNames
	key := client.ObjectKeyFromObject(r.ws)
	if made, ok := r.leaves.Load(key); ok {
		leaf := made.(certificate.Leaf)
		if _, serves := authority.Serves(r.now, leaf.Certificate, names); serves {
			return leaf, nil
		}
	}
	leaf, err := authority.Issue(r.now, names)
	if err == nil {
		r.leaves.Store(key, leaf)
	}
	return leaf, err
}

// secretLost says that the Secret is gone, which shows only when an Endpoint Picker cannot start: Secrets are not watched.
func (r *run) secretLost(ctx context.Context) (bool, error) {
	epp := r.children.EPP
	if epp == nil || epp.Status.AvailableReplicas > 0 || epp.Status.Replicas == 0 {
		return false, nil
	}
	key := client.ObjectKey{Namespace: r.ws.Namespace, Name: r.plan.Route.TLS.Name}
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := r.live.Get(ctx, key, found)
	if apierrors.IsNotFound(err) {
		r.applier.Forget("Secret", key)
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for the Secret %s: %w", key.Name, err)
	}
	return false, nil
}

func (r *run) wantsRoute() bool { return r.planErr == nil && r.plan.Route != nil && r.routeErr == nil }

// applyRoute writes the HTTPRoute and what makes the gateway verify the Endpoint Picker.
func (r *run) applyRoute(ctx context.Context) error {
	if !r.wantsRoute() {
		return nil
	}
	routing, err := r.observer.Routing(ctx, r.plan, r.served)
	if err != nil {
		return err
	}
	r.routing = routing
	if len(routing.Missing) > 0 {
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

func (r *run) routePreconditions(ctx context.Context) error {
	if r.plan.Route.Refused != "" {
		return &outcome.Terminal{Reason: v1beta1.ReasonTLSNotSupported, Err: errors.New(r.plan.Route.Refused)}
	}
	claim, holder, err := r.observer.Holder(ctx, r.ws)
	if err != nil {
		return err
	}
	if holder.UID != r.ws.UID {
		return &outcome.Waiting{Reason: v1beta1.ReasonRouteConflict, Message: fmt.Sprintf(
			"Workspace %s/%s, which is older, has %s: write other inference.gateway.hostnames, or switch on gateway.bodyBasedRouting in the operator's configuration",
			holder.Namespace, holder.Name, claim)}
	}
	return nil
}

// keepsRoute says that an object of the route stays although it was not wanted this time: only a conflict takes it away.
func (r *run) keepsRoute(obj client.Object) bool {
	switch obj.(type) {
	case *gatewayv1.HTTPRoute, *gatewayv1.BackendTLSPolicy, *route.DestinationRule, *corev1.ConfigMap:
	default:
		return false
	}
	if r.plan.Route == nil || r.routeErr == nil {
		return r.plan.Route != nil && len(r.routing.Missing) > 0
	}
	reason, _ := status.Explain(r.routeErr)
	return reason != v1beta1.ReasonRouteConflict || !isHTTPRoute(obj)
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
	entrance, ok := status.Entrance(r.plan.Route, r.routing)
	if !ok || !status.Provable(r.input()) {
		return nil
	}
	target := probe.Target{Scheme: entrance.Scheme, Address: entrance.Address, Host: entrance.Host}
	if len(r.plan.Route.Models) > 0 {
		target.Headers = map[string]string{plan.ModelHeader: r.plan.Route.Models[0]}
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
