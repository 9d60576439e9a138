// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// Routing is what was observed around a Workspace's route. It is zero when no route is wanted.
type Routing struct {
	// Missing are the names of the CustomResourceDefinitions that routes need and that are not served, sorted.
	Missing []string
	// Gateways and Classes are those of the plan's parents, as far as they exist.
	Gateways []*gatewayv1.Gateway
	Classes  []*gatewayv1.GatewayClass
	// Route is the operator's own, Foreign are the others that send requests to the pool, sorted.
	Route   *gatewayv1.HTTPRoute
	Foreign []*gatewayv1.HTTPRoute
	// Routers are the releases of body-based routing at the Gateways, as far as they exist.
	Routers []*helmv2.HelmRelease
	// Proof is what came of a request through the Gateway.
	Proof Proof
}

// Proof is what came of a request that was sent through the Gateway to see whether the Endpoint Picker is asked.
type Proof struct {
	// Known is false as long as nothing is known of the present state of affairs.
	Known bool
	// Asked says that the answer came by way of the Endpoint Picker.
	Asked bool
	// Code is the HTTP status of an answer that did not; 0 if there was none, and Problem says why.
	Code    int
	Problem string
}

// wantsRoute says whether RouteReady is to be there at all.
func wantsRoute(in Input) bool {
	if in.Plan == nil {
		return previous(in, v1beta1.ConditionRouteReady) != nil
	}
	return in.Plan.Route != nil || in.Plan.Unroutable
}

// httpRoute judges whether the model can be called through its Gateways, from what was written to what was seen to work.
// The first thing that is wrong is what is reported: the others mostly follow from it.
func httpRoute(in Input) verdict {
	const condition = v1beta1.ConditionRouteReady
	switch {
	case in.Plan == nil:
		return unplanned(in, condition)
	case in.Plan.Unroutable:
		return no(condition, v1beta1.ReasonRouteWithoutPool,
			"inference.gateway asks for a route, but there is no InferencePool: switch the feature gate on, name a port in the template, or write inference.gateway.mode: None")
	case len(in.Routing.Missing) > 0:
		return no(condition, v1beta1.ReasonCRDNotFound, "not installed in this cluster: "+strings.Join(in.Routing.Missing, ", ")+
			"; install the Gateway API and a controller of Gateways, or write inference.gateway.mode: None")
	case in.RouteErr != nil:
		return failed(condition, in.RouteErr)
	}
	for _, judge := range []func(Input, plan.Parent) verdict{gateway, attachment, poolAttachment, bodyRouter} {
		for _, parent := range in.Plan.Route.Parents {
			if v := judge(in, parent); v.status != "" {
				return v
			}
		}
	}
	if v := bypass(in); v.status != "" {
		return v
	}
	return proof(in)
}

// Provable says that all is in place for a request to be answered; before, its answer would prove nothing.
func Provable(in Input) bool {
	if in.Plan == nil || in.Plan.Route == nil || in.RouteErr != nil || len(in.Routing.Missing) > 0 {
		return false
	}
	in.Plan = withoutProbe(in.Plan)
	return Serves(in) && inferencePool(in).status == metav1.ConditionTrue && httpRoute(in).status == metav1.ConditionTrue
}

// withoutProbe is the plan as if nothing had to be proved.
func withoutProbe(p *plan.Plan) *plan.Plan {
	changed, r := *p, *p.Route
	r.Probe = false
	changed.Route = &r
	return &changed
}

func routeNot(reason, format string, args ...any) verdict {
	return no(v1beta1.ConditionRouteReady, reason, fmt.Sprintf(format, args...))
}

// gateway is what is wrong with a Gateway itself; without status if nothing is.
func gateway(in Input, parent plan.Parent) verdict {
	g := in.Routing.gateway(parent)
	if g == nil {
		return routeNot(v1beta1.ReasonGatewayNotFound, "Gateway %s/%s does not exist: create it, or correct inference.gateway.parentRefs or gateway.default",
			parent.Namespace, parent.Name)
	}
	if v := class(in, g); v.status != "" {
		return v
	}
	if v := listeners(in, parent, g); v.status != "" {
		return v
	}
	for _, conditionType := range []gatewayv1.GatewayConditionType{gatewayv1.GatewayConditionAccepted, gatewayv1.GatewayConditionProgrammed} {
		c := meta.FindStatusCondition(g.Status.Conditions, string(conditionType))
		if c == nil || c.Status == metav1.ConditionUnknown {
			return routeNot(v1beta1.ReasonRouteProgressing, "Gateway %s/%s is not %s yet", g.Namespace, g.Name, conditionType)
		}
		if c.Status == metav1.ConditionFalse {
			return routeNot(v1beta1.ReasonGatewayNotReady, "Gateway %s/%s is not %s: %s: %s", g.Namespace, g.Name, conditionType, c.Reason, c.Message)
		}
	}
	return verdict{}
}

func class(in Input, g *gatewayv1.Gateway) verdict {
	name := string(g.Spec.GatewayClassName)
	at := slices.IndexFunc(in.Routing.Classes, func(c *gatewayv1.GatewayClass) bool { return c.Name == name })
	if at < 0 {
		return routeNot(v1beta1.ReasonGatewayClassNotReady, "spec.gatewayClassName of Gateway %s/%s is %s, which does not exist: install its controller, or correct the name",
			g.Namespace, g.Name, name)
	}
	c := in.Routing.Classes[at]
	if accepted := meta.FindStatusCondition(c.Status.Conditions, string(gatewayv1.GatewayClassConditionStatusAccepted)); accepted == nil || accepted.Status != metav1.ConditionTrue {
		return routeNot(v1beta1.ReasonGatewayClassNotReady, "GatewayClass %s of Gateway %s/%s is not accepted by %s: does that controller run?",
			name, g.Namespace, g.Name, c.Spec.ControllerName)
	}
	return verdict{}
}

// listeners says which field keeps the route out, where that can be told from the Gateway alone. Listeners that choose
// namespaces by label are left to the Gateway's own verdict on the route.
func listeners(in Input, parent plan.Parent, g *gatewayv1.Gateway) verdict {
	var closed []string
	found := false
	for _, l := range g.Spec.Listeners {
		if parent.Section != "" && string(l.Name) != parent.Section {
			continue
		}
		found = true
		reason := closedTo(in.Plan.Namespace, g.Namespace, l)
		if reason == "" {
			return verdict{}
		}
		closed = append(closed, reason)
	}
	if !found {
		return routeNot(v1beta1.ReasonListenerNotFound, "Gateway %s/%s has no listener %s: correct sectionName, or add the listener",
			g.Namespace, g.Name, parent.Section)
	}
	return routeNot(v1beta1.ReasonNotAllowedByListeners, "Gateway %s/%s admits no HTTPRoute from namespace %s: %s",
		g.Namespace, g.Name, in.Plan.Namespace, strings.Join(closed, "; "))
}

// closedTo returns the field by which a listener keeps HTTPRoutes of a namespace out; empty if none does.
func closedTo(namespace, own string, l gatewayv1.Listener) string {
	field := "spec.listeners[" + string(l.Name) + "]"
	if l.Protocol != gatewayv1.HTTPProtocolType && l.Protocol != gatewayv1.HTTPSProtocolType {
		return fmt.Sprintf("%s.protocol is %s, not HTTP or HTTPS", field, l.Protocol)
	}
	from := gatewayv1.NamespacesFromSame
	if l.AllowedRoutes != nil && l.AllowedRoutes.Namespaces != nil && l.AllowedRoutes.Namespaces.From != nil {
		from = *l.AllowedRoutes.Namespaces.From
	}
	switch {
	case from == gatewayv1.NamespacesFromSame && namespace != own, from == gatewayv1.NamespacesFromNone:
		return fmt.Sprintf("%s.allowedRoutes.namespaces.from is %s: set it to All, or to Selector with a label of namespace %s", field, from, namespace)
	case l.AllowedRoutes != nil && len(l.AllowedRoutes.Kinds) > 0 &&
		!slices.ContainsFunc(l.AllowedRoutes.Kinds, func(k gatewayv1.RouteGroupKind) bool { return k.Kind == "HTTPRoute" }):
		return field + ".allowedRoutes.kinds does not list HTTPRoute"
	default:
		return ""
	}
}

// attachment is what the Gateway says of our route; without status if it is content.
func attachment(in Input, parent plan.Parent) verdict {
	r := in.Routing.Route
	if r == nil || in.RouteChanging {
		return routeNot(v1beta1.ReasonRouteProgressing, "HTTPRoute %s is written, Gateway %s has not looked at it yet", in.Plan.Names.Pool, parent)
	}
	at := slices.IndexFunc(r.Status.Parents, func(s gatewayv1.RouteParentStatus) bool { return refersTo(s.ParentRef, r.Namespace, parent) })
	if at < 0 {
		return routeNot(v1beta1.ReasonRouteProgressing, "Gateway %s has said nothing of HTTPRoute %s yet: does its controller run?", parent, r.Name)
	}
	accepted := meta.FindStatusCondition(r.Status.Parents[at].Conditions, string(gatewayv1.RouteConditionAccepted))
	resolved := meta.FindStatusCondition(r.Status.Parents[at].Conditions, string(gatewayv1.RouteConditionResolvedRefs))
	switch {
	case accepted == nil || resolved == nil || accepted.ObservedGeneration < r.Generation:
		return routeNot(v1beta1.ReasonRouteProgressing, "Gateway %s has not judged the latest HTTPRoute %s yet", parent, r.Name)
	case accepted.Status != metav1.ConditionTrue:
		return notAccepted(parent, r, accepted)
	case resolved.Status != metav1.ConditionTrue && resolved.Reason == string(gatewayv1.RouteReasonInvalidKind):
		return unsupported(in, parent, "it calls the kind InferencePool invalid: "+resolved.Message)
	case resolved.Status != metav1.ConditionTrue:
		return routeNot(v1beta1.ReasonRouteNotResolved, "Gateway %s cannot resolve HTTPRoute %s: %s: %s", parent, r.Name, resolved.Reason, resolved.Message)
	default:
		return verdict{}
	}
}

func notAccepted(parent plan.Parent, r *gatewayv1.HTTPRoute, accepted *metav1.Condition) verdict {
	reason := v1beta1.ReasonRouteNotAccepted
	switch gatewayv1.RouteConditionReason(accepted.Reason) {
	case gatewayv1.RouteReasonNotAllowedByListeners, gatewayv1.RouteReasonNoMatchingListenerHostname:
		reason = v1beta1.ReasonNotAllowedByListeners
	case gatewayv1.RouteReasonNoMatchingParent:
		reason = v1beta1.ReasonListenerNotFound
	}
	return routeNot(reason, "Gateway %s refuses HTTPRoute %s: %s: %s", parent, r.Name, accepted.Reason, accepted.Message)
}

// unsupported says what to do about a controller that does not know InferencePools.
func unsupported(in Input, parent plan.Parent, how string) verdict {
	advice := "use a controller that supports InferencePools"
	if g := in.Routing.gateway(parent); g != nil {
		for _, c := range in.Routing.Classes {
			if c.Name == string(g.Spec.GatewayClassName) && c.Spec.ControllerName == "istio.io/gateway-controller" {
				advice = "set ENABLE_GATEWAY_API_INFERENCE_EXTENSION=true on istiod, version 1.28 or later"
			}
		}
	}
	return routeNot(v1beta1.ReasonPoolNotSupported, "the controller of Gateway %s does not support InferencePools, %s; %s", parent, how, advice)
}

// poolAttachment is what the Gateway says of the pool. Its controller is told by kind and name alone: Istio writes a group
// of its own.
func poolAttachment(in Input, parent plan.Parent) verdict {
	pool := in.Children.InferencePool
	if pool == nil {
		return routeNot(v1beta1.ReasonRouteProgressing, "InferencePool %s is not there yet", in.Plan.Names.Pool)
	}
	for _, p := range pool.Status.Parents {
		namespace := string(p.ParentRef.Namespace)
		if namespace == "" {
			namespace = pool.Namespace
		}
		if p.ParentRef.Kind != "" && p.ParentRef.Kind != "Gateway" || string(p.ParentRef.Name) != parent.Name || namespace != parent.Namespace {
			continue
		}
		for _, conditionType := range []string{"Accepted", "ResolvedRefs"} {
			c := meta.FindStatusCondition(p.Conditions, conditionType)
			if c == nil || c.Status == metav1.ConditionUnknown {
				return routeNot(v1beta1.ReasonRouteProgressing, "Gateway %s has not judged InferencePool %s yet", parent, pool.Name)
			}
			if c.Status == metav1.ConditionFalse {
				return routeNot(v1beta1.ReasonRouteNotResolved, "Gateway %s does not take InferencePool %s: %s: %s", parent, pool.Name, c.Reason, c.Message)
			}
		}
		return verdict{}
	}
	return routeNot(v1beta1.ReasonRouteProgressing, "Gateway %s has said nothing of InferencePool %s yet", parent, pool.Name)
}

// StalePool says that a Gateway does not find the pool's Endpoint Picker although it is there. Istio looks for the Service
// once, when the pool changes, and never again by itself.
func StalePool(in Input) bool {
	pool := in.Children.InferencePool
	if in.Plan == nil || in.Plan.Route == nil || pool == nil || in.Children.EPP == nil || in.Children.EPP.Status.AvailableReplicas == 0 {
		return false
	}
	for _, p := range pool.Status.Parents {
		c := meta.FindStatusCondition(p.Conditions, "ResolvedRefs")
		if c != nil && c.Status == metav1.ConditionFalse && c.Reason == "InvalidExtensionRef" {
			return true
		}
	}
	return false
}

// bodyRouter says whether somebody reads the model's name from the body; without that no route matches.
func bodyRouter(in Input, parent plan.Parent) verdict {
	if !in.Plan.Route.BodyBased {
		return verdict{}
	}
	name := plan.RouterName(parent.Name)
	at := slices.IndexFunc(in.Routing.Routers, func(r *helmv2.HelmRelease) bool { return r.Namespace == parent.Namespace && r.Name == name })
	if at < 0 {
		return routeNot(v1beta1.ReasonBodyRoutingNotReady, "HelmRelease %s/%s of body-based routing is not there yet", parent.Namespace, name)
	}
	ready := readyOf(in.Routing.Routers[at].Status.Conditions)
	switch {
	case ready != nil && ready.Status == metav1.ConditionTrue:
		return verdict{}
	// It goes on working while Flux looks at it again.
	case ready != nil && (ready.Status == metav1.ConditionUnknown || transient(ready.Reason)) && wasReady(in):
		return verdict{}
	case ready == nil:
		return routeNot(v1beta1.ReasonBodyRoutingNotReady, "HelmRelease %s/%s of body-based routing is being installed", parent.Namespace, name)
	default:
		return routeNot(v1beta1.ReasonBodyRoutingNotReady, "HelmRelease %s/%s of body-based routing: %s: %s", parent.Namespace, name, ready.Reason, ready.Message)
	}
}

func wasReady(in Input) bool {
	c := previous(in, v1beta1.ConditionRouteReady)
	return c != nil && c.Status == metav1.ConditionTrue
}

// bypass finds filters that make Istio forget the Endpoint Picker, in our route or in those of users.
func bypass(in Input) verdict {
	for _, r := range append(slices.Clone(in.Routing.Foreign), in.Routing.Route) {
		if filter, found := route.Bypasses(r, in.Plan.Namespace, in.Plan.Names.Pool); found {
			return routeNot(v1beta1.ReasonPickerBypassed,
				"HTTPRoute %s/%s has a %s filter on the rule to InferencePool %s, which makes Istio send requests to any pod: remove the filter, or put it on a rule of another Gateway",
				r.Namespace, r.Name, filter, in.Plan.Names.Pool)
		}
	}
	return verdict{}
}

// proof says what the request through the Gateway showed.
func proof(in Input) verdict {
	const condition = v1beta1.ConditionRouteReady
	p := in.Routing.Proof
	accepted := fmt.Sprintf("%s routed by Gateway %s", served(in), parents(in))
	switch {
	case !in.Plan.Route.Probe:
		return yes(condition, v1beta1.ReasonRouteReady, accepted+"; whether its endpoint picker is asked was not tried (gateway.probe)")
	case !p.Known && wasReady(in):
		return keep(previous(in, condition))
	case !p.Known:
		return no(condition, v1beta1.ReasonRouteProgressing, accepted+"; "+unproved(in))
	case p.Asked:
		return yes(condition, v1beta1.ReasonRouteReady, accepted+", and its endpoint picker is asked")
	case p.Code == 0:
		return no(condition, v1beta1.ReasonGatewayNotReachable, accepted+", but the operator cannot reach it: "+p.Problem)
	case p.Code >= 500:
		return routeNot(v1beta1.ReasonGatewayRequestFailed,
			"%s, but it answers a request for the model with code %d: is the endpoint picker's certificate trusted, and its Service reachable from the gateway?", accepted, p.Code)
	case p.Code == 404:
		return routeNot(v1beta1.ReasonGatewayRequestFailed,
			"%s, but it answers a request for the model with code 404: does another route take its requests?", accepted)
	default:
		return routeNot(v1beta1.ReasonPickerBypassed,
			"%s and answers with code %d, but the endpoint picker %s is not asked, so that every request goes to any pod: is there another DestinationRule or BackendTLSPolicy for its Service, or an EnvoyFilter?",
			accepted, p.Code, in.Plan.Names.EPP)
	}
}

// unproved says what a request through the Gateway waits for.
func unproved(in Input) string {
	if _, ok := Entrance(*in.Plan, in.Routing); !ok {
		return "no request can show that its endpoint picker is asked, as the Gateway has no address in status.addresses yet"
	}
	if !Serves(in) || inferencePool(in).status != metav1.ConditionTrue {
		return "when model and endpoint picker are ready, a request is to show that the picker is asked"
	}
	return "a request is to show that its endpoint picker is asked"
}

func served(in Input) string {
	if len(in.Plan.Models) == 0 {
		return "the template is"
	}
	return strings.Join(in.Plan.Models, ", ") + " is"
}

func parents(in Input) string {
	var names []string
	for _, p := range in.Plan.Route.Parents {
		names = append(names, p.String())
	}
	return strings.Join(names, ", ")
}

func (r Routing) gateway(parent plan.Parent) *gatewayv1.Gateway {
	for _, g := range r.Gateways {
		if g.Namespace == parent.Namespace && g.Name == parent.Name {
			return g
		}
	}
	return nil
}

func refersTo(ref gatewayv1.ParentReference, namespace string, parent plan.Parent) bool {
	if ref.Namespace != nil {
		namespace = string(*ref.Namespace)
	}
	section := ""
	if ref.SectionName != nil {
		section = string(*ref.SectionName)
	}
	return namespace == parent.Namespace && string(ref.Name) == parent.Name && section == parent.Section
}
