// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/preset"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// The CustomResourceDefinitions that routes need.
const (
	CRDGateway          = "gateways.gateway.networking.k8s.io"
	CRDGatewayClass     = "gatewayclasses.gateway.networking.k8s.io"
	CRDHTTPRoute        = "httproutes.gateway.networking.k8s.io"
	CRDBackendTLSPolicy = "backendtlspolicies.gateway.networking.k8s.io"
	CRDReferenceGrant   = "referencegrants.gateway.networking.k8s.io"
	CRDDestinationRule  = "destinationrules.networking.istio.io"
	CRDCertificate      = "certificates.cert-manager.io"
)

const (
	// ByPool is the index of HTTPRoutes over namespace/name of the InferencePools that they send requests to.
	ByPool = "pool"
	// ByClaim is the index of Workspaces over the keys of plan.Claim.
	ByClaim = "claim"
	// ByHost is the index of DestinationRules that are not ours over their full hosts; those with a wildcard are AnyHost.
	ByHost = "host"
	// AnyHost is their entry.
	AnyHost = "*"
	// ByGateway is the index of Workspaces over namespace/name of the Gateways that they are offered at.
	ByGateway = "gateway"
)

// RoutingCacheOptions says what the second cache holds: Gateways, their classes, and all HTTPRoutes and DestinationRules,
// since those of users can spoil what an InferencePool does. They have no label in common, and the first cache's options cannot name kinds
// whose API may be absent.
func RoutingCacheOptions(ingest func(trim func(client.Object)) toolscache.TransformFunc) cache.Options {
	return cache.Options{
		// As in the first cache.
		ReaderFailOnMissingInformer:  true,
		DefaultTransform:             ingest(trimRouting),
		DefaultUnsafeDisableDeepCopy: new(true),
	}
}

// IsRouting says that a CustomResourceDefinition's objects are in the second cache.
func IsRouting(crd string) bool {
	return slices.Contains([]string{CRDGateway, CRDGatewayClass, CRDHTTPRoute, CRDReferenceGrant, CRDDestinationRule}, crd)
}

func trimRouting(obj client.Object) {
	switch o := obj.(type) {
	case *gatewayv1.Gateway:
		o.Spec.Infrastructure = nil
		// They count the routes attached: with each new route all Workspaces of the Gateway would have to look.
		o.Status.Listeners = nil
	case *gatewayv1.GatewayClass:
		o.Status.SupportedFeatures = nil
	case *gatewayv1.HTTPRoute:
		trimHTTPRoute(o)
	case *route.DestinationRule:
		o.Spec = route.DestinationRuleSpec{Host: o.Spec.Host}
	case *gatewayv1beta1.ReferenceGrant:
		o.Spec = gatewayv1beta1.ReferenceGrantSpec{}
	}
}

// trimHTTPRoute keeps of each rule where it leads and which kinds of filters it has. Most routes of a cluster lead to no
// pool at all.
func trimHTTPRoute(o *gatewayv1.HTTPRoute) {
	if len(route.PoolsOf(o)) == 0 {
		o.Spec, o.Status = gatewayv1.HTTPRouteSpec{}, gatewayv1.HTTPRouteStatus{}
		return
	}
	for i, rule := range o.Spec.Rules {
		kept := gatewayv1.HTTPRouteRule{}
		for _, filter := range rule.Filters {
			kept.Filters = append(kept.Filters, gatewayv1.HTTPRouteFilter{Type: filter.Type})
		}
		for _, ref := range rule.BackendRefs {
			kept.BackendRefs = append(kept.BackendRefs, gatewayv1.HTTPBackendRef{
				BackendRef: gatewayv1.BackendRef{BackendObjectReference: ref.BackendObjectReference},
			})
		}
		o.Spec.Rules[i] = kept
	}
}

// Routing reads what a Workspace's route depends on. The Workspace's own route is among its children, too.
func (o *Observer) Routing(ctx context.Context, p plan.Plan, apis APIs) (status.Routing, error) {
	r := status.Routing{Missing: apis.missingForRoutes(p)}
	if len(r.Missing) > 0 || !apis.Routes() {
		return r, nil
	}
	for _, parent := range p.Route.Parents {
		if err := o.parent(ctx, parent, &r); err != nil {
			return r, err
		}
		if !p.Route.BodyBased || !apis.Flux {
			continue
		}
		router, err := ReadRouter(ctx, o.cache, client.ObjectKey{Namespace: parent.Namespace, Name: plan.RouterName(parent.Name)})
		if err != nil {
			return r, err
		}
		if router.Release != nil {
			r.Routers = append(r.Routers, router)
		}
	}
	if err := o.toPool(ctx, p, &r); err != nil {
		return r, err
	}
	return r, o.rules(ctx, p, &r)
}

// toPool adds the HTTPRoutes that lead to the Workspace's pool: its own, and those of others.
func (o *Observer) toPool(ctx context.Context, p plan.Plan, r *status.Routing) error {
	list := &gatewayv1.HTTPRouteList{}
	err := o.routes.List(ctx, list, client.MatchingFields{ByPool: p.Namespace + "/" + p.Names.Pool})
	if err != nil {
		return fmt.Errorf("listing HTTPRoutes: %w", err)
	}
	for i := range list.Items {
		if found := &list.Items[i]; metav1.GetControllerOf(found) == nil || metav1.GetControllerOf(found).UID != p.Owner.UID {
			r.Foreign = append(r.Foreign, found)
		} else {
			r.Route = found
		}
	}
	slices.SortFunc(r.Foreign, func(a, b *gatewayv1.HTTPRoute) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return nil
}

// parent adds a Gateway and its class, if they exist.
func (o *Observer) parent(ctx context.Context, parent plan.Parent, r *status.Routing) error {
	gateway := &gatewayv1.Gateway{}
	err := o.routes.Get(ctx, client.ObjectKey{Namespace: parent.Namespace, Name: parent.Name}, gateway)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading Gateway %s: %w", parent, err)
	}
	r.Gateways = append(r.Gateways, gateway)
	class := &gatewayv1.GatewayClass{}
	err = o.routes.Get(ctx, client.ObjectKey{Name: string(gateway.Spec.GatewayClassName)}, class)
	if err == nil {
		r.Classes = append(r.Classes, class)
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading GatewayClass %s: %w", gateway.Spec.GatewayClassName, err)
	}
	return nil
}

// Holder returns the Workspace that has one of the claims, if another than ws and before it: the one before all others.
func (o *Observer) Holder(ctx context.Context, ws *v1beta1.Workspace, catalogue preset.Catalogue) (plan.Claim, *v1beta1.Workspace, error) {
	held, holder := plan.Claim{}, ws
	for _, claim := range plan.ClaimsOf(ws, o.config.Gateway, catalogue) {
		others, err := o.claiming(ctx, claim)
		if err != nil {
			return plan.Claim{}, ws, err
		}
		for _, other := range others {
			if Before(other, holder) && !Routeless(other) &&
				slices.ContainsFunc(plan.ClaimsOf(other, o.config.Gateway, catalogue), claim.Excludes) {
				held, holder = claim, other
			}
		}
	}
	return held, holder, nil
}

// claiming are the Workspaces that may have a claim in common.
func (o *Observer) claiming(ctx context.Context, claim plan.Claim) ([]*v1beta1.Workspace, error) {
	var found []*v1beta1.Workspace
	for _, key := range claim.Keys() {
		list := &v1beta1.WorkspaceList{}
		if err := o.cache.List(ctx, list, client.MatchingFields{ByClaim: key}); err != nil {
			return nil, fmt.Errorf("listing Workspaces that claim %s: %w", claim, err)
		}
		for i := range list.Items {
			found = append(found, &list.Items[i])
		}
	}
	return found, nil
}

// Routeless says that a Workspace has no route and gets none as it is: it was never planned with one, or another has what
// it claims. Nobody has to yield to it then. A new one, of which nothing is known yet, counts; and so does one that cannot
// be planned any more, since what was made for it stays. That it was edited does not make it count before it was looked
// at: who serves in the meantime would be interrupted for nothing.
func Routeless(ws *v1beta1.Workspace) bool {
	route := meta.FindStatusCondition(ws.Status.Conditions, v1beta1.ConditionRouteReady)
	if route != nil {
		return route.Reason == v1beta1.ReasonRouteConflict
	}
	inference := meta.FindStatusCondition(ws.Status.Conditions, v1beta1.ConditionInferenceReady)
	return meta.IsStatusConditionTrue(ws.Status.Conditions, v1beta1.ConditionStalled) ||
		inference != nil && inference.Reason == v1beta1.ReasonNotPlanned
}

// Before is the order of the Gateway API, in which a wins over b: the older, else the first by name. One that is being
// deleted wins nothing.
func Before(a, b *v1beta1.Workspace) bool {
	if a.UID == b.UID || a.DeletionTimestamp != nil {
		return false
	}
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) < 0
}

// routeChildren are the objects of a Workspace's route.
func (o *Observer) routeChildren(ctx context.Context, ws *v1beta1.Workspace, apis APIs, c *Children) error {
	var routes []*gatewayv1.HTTPRoute
	var policies []*gatewayv1.BackendTLSPolicy
	var rules []*route.DestinationRule
	var certificates []*route.Certificate
	var err error
	if apis.Routes() {
		err = errors.Join(err, list(ctx, o.routes, ws, &gatewayv1.HTTPRouteList{}, &routes))
	}
	if apis.served(CRDBackendTLSPolicy) {
		err = errors.Join(err, list(ctx, o.cache, ws, &gatewayv1.BackendTLSPolicyList{}, &policies))
	}
	if apis.served(CRDDestinationRule) {
		err = errors.Join(err, list(ctx, o.routes, ws, &route.DestinationRuleList{}, &rules))
	}
	if apis.Certificates() {
		err = errors.Join(err, list(ctx, o.cache, ws, &route.CertificateList{}, &certificates))
	}
	c.Owned = slices.Concat(c.Owned, objects(owned(ws, certificates)), objects(owned(ws, routes)), objects(owned(ws, policies)), objects(owned(ws, rules)))
	return err
}
