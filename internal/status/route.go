// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
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
	// Rules are the DestinationRules of others that Istio may follow on the way to the Endpoint Picker, sorted.
	Rules []*route.DestinationRule
	// Routers are what body-based routing at the Gateways consists of, as far as it exists.
	Routers []Router
	// Strangers say what has a router's name and is not ours, by namespace/name of the Gateway.
	Strangers map[string]string
	// Proof is what came of a request through each Gateway.
	Proof Proof
}

// Proof is what came of a request that was sent through the Gateway to see whether the Endpoint Picker is asked.
type Proof struct {
	// Known is false as long as nothing is known of the present state of affairs.
	Known bool
	// Asked says that at every Gateway the answer came by way of the model's Endpoint Picker. The rest is about one where it
	// did not.
	Asked bool
	// Gateway is its name.
	Gateway string
	// Code is the HTTP status of the answer; 0 if there was none, and Problem says why.
	Code    int
	Problem string
	// Own says that only a model's server answers like that, Stranger that it is one of another model.
	Own, Stranger bool
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
	case in.Plan.Unroutable && in.Plan.Pool != nil:
		return no(condition, v1beta1.ReasonGatewayNotFound,
			"inference.gateway asks for a route, but names no Gateway: write inference.gateway.parentRefs, or configure gateway.default")
	case in.Plan.Unroutable:
		return no(condition, v1beta1.ReasonRouteWithoutPool,
			"inference.gateway asks for a route, but there is no InferencePool: switch the feature gate on, name a port in the template, or write inference.gateway.mode: None")
	case len(in.Routing.Missing) > 0:
		return no(condition, v1beta1.ReasonCRDNotFound, "not installed in this cluster: "+strings.Join(in.Routing.Missing, ", ")+"; "+installation(in.Routing.Missing))
	case in.RouteErr != nil:
		return failed(condition, in.RouteErr)
	}
	for _, judge := range []func(Input, plan.Parent) verdict{gateway, attachment, poolAttachment, stranger, bodyRouter} {
		for _, parent := range in.Plan.Route.Parents {
			if v := judge(in, parent); v.status != "" {
				return v
			}
		}
	}
	for _, judge := range []func(Input) verdict{bypass, rules} {
		if v := judge(in); v.status != "" {
			return v
		}
	}
	return proof(in)
}

// stranger says what keeps body-based routing out of a Gateway; without status if nothing does.
func stranger(in Input, parent plan.Parent) verdict {
	who := in.Routing.Strangers[parent.Namespace+"/"+parent.Name]
	if !in.Plan.Route.BodyBased || who == "" {
		return verdict{}
	}
	return routeNot(v1beta1.ReasonBodyRoutingNotReady, "%s", who)
}

func installation(missing []string) string {
	if len(missing) == 1 && strings.HasSuffix(missing[0], ".istio.io") {
		return "install Istio, or set gateway.implementation: other in the operator's configuration"
	}
	if len(missing) == 1 && strings.HasSuffix(missing[0], ".cert-manager.io") {
		return "install cert-manager, or remove gateway.tls.certManager from the operator's configuration"
	}
	return "install the Gateway API and a controller of Gateways, or write inference.gateway.mode: None"
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
		return notAccepted(in, parent, accepted)
	case resolved.Status != metav1.ConditionTrue && in.Children.InferencePool == nil:
		return noPool(in)
	case resolved.Status != metav1.ConditionTrue && resolved.Reason == string(gatewayv1.RouteReasonInvalidKind):
		return unsupported(in, parent, "it calls the kind InferencePool invalid: "+resolved.Message)
	case resolved.Status != metav1.ConditionTrue:
		return routeNot(v1beta1.ReasonRouteNotResolved, "Gateway %s cannot resolve HTTPRoute %s: %s: %s", parent, r.Name, resolved.Reason, resolved.Message)
	default:
		return verdict{}
	}
}

func notAccepted(in Input, parent plan.Parent, accepted *metav1.Condition) verdict {
	reason, advice := v1beta1.ReasonRouteNotAccepted, ""
	switch accepted.Reason {
	case string(gatewayv1.RouteReasonNotAllowedByListeners):
		reason = v1beta1.ReasonNotAllowedByListeners
		if fields := selectors(in, parent); len(fields) > 0 {
			advice = fmt.Sprintf("; give namespace %s a label that %s of the Gateway selects", in.Plan.Namespace, strings.Join(fields, " or "))
		}
	case string(gatewayv1.RouteReasonNoMatchingListenerHostname):
		reason = v1beta1.ReasonNoMatchingHostname
	case string(gatewayv1.RouteReasonNoMatchingParent):
		reason = v1beta1.ReasonListenerNotFound
	}
	return routeNot(reason, "Gateway %s refuses HTTPRoute %s: %s: %s%s", parent, in.Routing.Route.Name, accepted.Reason, accepted.Message, advice)
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
		return noPool(in)
	}
	for _, p := range pool.Status.Parents {
		if isParent(p.ParentRef, pool.Namespace, parent) {
			return poolVerdict(pool, p, parent)
		}
	}
	return routeNot(v1beta1.ReasonRouteProgressing, "Gateway %s has said nothing of InferencePool %s yet", parent, pool.Name)
}

func isParent(ref inferencev1.ParentReference, own string, parent plan.Parent) bool {
	return (ref.Kind == "" || ref.Kind == "Gateway") && string(ref.Name) == parent.Name &&
		cmp.Or(string(ref.Namespace), own) == parent.Namespace
}

func poolVerdict(pool *inferencev1.InferencePool, said inferencev1.ParentStatus, parent plan.Parent) verdict {
	for _, conditionType := range []string{"Accepted", "ResolvedRefs"} {
		c := meta.FindStatusCondition(said.Conditions, conditionType)
		if c == nil || c.Status == metav1.ConditionUnknown {
			return routeNot(v1beta1.ReasonRouteProgressing, "Gateway %s has not judged InferencePool %s yet", parent, pool.Name)
		}
		if c.Status == metav1.ConditionFalse {
			return routeNot(v1beta1.ReasonRouteNotResolved, "Gateway %s does not take InferencePool %s: %s: %s", parent, pool.Name, c.Reason, c.Message)
		}
	}
	return verdict{}
}

func noPool(in Input) verdict {
	return routeNot(v1beta1.ReasonRouteProgressing, "InferencePool %s is not there yet", in.Plan.Names.Pool)
}

// StalePool says that a Gateway does not find the pool's Endpoint Picker although it is there. Istio looks for the Service
// once, when the pool changes, and never again by itself. Whose route leads to the pool makes no difference.
func StalePool(in Input) bool {
	pool := in.Children.InferencePool
	if in.Plan == nil || in.Plan.Pool == nil || pool == nil || in.Children.EPP == nil || in.Children.EPP.Status.AvailableReplicas == 0 {
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
