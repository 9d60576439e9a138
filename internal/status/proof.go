// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

func wasReady(in Input) bool {
	c := previous(in, v1beta1.ConditionRouteReady)
	return c != nil && c.Status == metav1.ConditionTrue
}

// bypass finds filters that make Istio forget the Endpoint Picker, in our route or in those of users at the same Gateways.
func bypass(in Input) verdict {
	if in.Plan.Route.Implementation != configv1alpha1.ImplementationIstio {
		return verdict{}
	}
	for _, r := range append(slices.Clone(in.Routing.Foreign), in.Routing.Route) {
		if r != in.Routing.Route && !slices.ContainsFunc(in.Plan.Route.Parents, func(p plan.Parent) bool { return isAt(r, p) }) {
			continue
		}
		if filter, found := route.Bypasses(r, in.Plan.Namespace, in.Plan.Names.Pool); found {
			return routeNot(v1beta1.ReasonPickerBypassed,
				"HTTPRoute %s/%s has a %s filter on the rule to InferencePool %s, which makes Istio send requests to any pod: remove the filter, or put it on a rule of another Gateway",
				r.Namespace, r.Name, filter, in.Plan.Names.Pool)
		}
	}
	return verdict{}
}

// rules finds DestinationRules of others that can keep Istio from verifying the Endpoint Picker.
func rules(in Input) verdict {
	if in.Plan.TLS == nil || len(in.Routing.Rules) == 0 {
		return verdict{}
	}
	var names []string
	for _, r := range in.Routing.Rules {
		names = append(names, r.Namespace+"/"+r.Name)
	}
	return routeNot(v1beta1.ReasonDestinationRule,
		"DestinationRule %s is for the endpoint picker %s, too, and Istio may follow it instead of the operator's, which verifies the picker's certificate: delete it, or write inference.gateway.mode: None to route by yourself",
		strings.Join(names, ", "), in.Plan.Names.EPP)
}

// isAt says that a route is at a Gateway, whichever listener of it.
func isAt(r *gatewayv1.HTTPRoute, parent plan.Parent) bool {
	return slices.ContainsFunc(r.Spec.ParentRefs, func(ref gatewayv1.ParentReference) bool {
		namespace := r.Namespace
		if ref.Namespace != nil {
			namespace = string(*ref.Namespace)
		}
		return (ref.Kind == nil || *ref.Kind == "Gateway") && namespace == parent.Namespace && string(ref.Name) == parent.Name
	})
}

// proof says what the requests through the Gateways showed.
func proof(in Input) verdict {
	const condition = v1beta1.ConditionRouteReady
	p := in.Routing.Proof
	accepted := fmt.Sprintf("%s routed by Gateway %s", served(in), parents(in))
	const gone = "; its endpoint picker is not available, so that "
	switch {
	case !p.Known && !pickerServes(in) && failsClosed(in):
		return no(condition, lostOrComing(in), accepted+gone+"the Gateway refuses requests (failureMode FailClose): see InferencePoolReady")
	case !in.Plan.Route.Probe:
		return yes(condition, v1beta1.ReasonRouteReady, accepted+"; whether its endpoint picker is asked was not tried (gateway.probe)")
	case !p.Known && wasReady(in) && !pickerServes(in):
		return yes(condition, v1beta1.ReasonRouteReady, accepted+gone+"requests go to any pod: see InferencePoolReady")
	case !p.Known && wasReady(in):
		return keep(previous(in, condition))
	case !p.Known:
		return no(condition, v1beta1.ReasonRouteProgressing, accepted+"; "+unproved(in))
	case p.Asked:
		return yes(condition, v1beta1.ReasonRouteReady, accepted+", and its endpoint picker is asked"+outdated(in))
	default:
		v := unlike(in, accepted)
		v.message += outdated(in)
		return v
	}
}

// outdated says which routers Flux cannot bring up to date, and why.
func outdated(in Input) string {
	var said strings.Builder
	for _, router := range in.Routing.Routers {
		if why := router.Failing(); why != "" {
			said.WriteString("; " + why)
		}
	}
	return said.String()
}

func pickerServes(in Input) bool {
	return in.Children.EPP != nil && in.Children.EPP.Status.AvailableReplicas > 0
}

// lostOrComing is the reason of a route whose Endpoint Picker was there, or is yet to come.
func lostOrComing(in Input) string {
	if c := previous(in, v1beta1.ConditionRouteReady); c != nil && (c.Status == metav1.ConditionTrue || c.Reason == v1beta1.ReasonEPPNotAvailable) {
		return v1beta1.ReasonEPPNotAvailable
	}
	return v1beta1.ReasonRouteProgressing
}

// failsClosed says that a Gateway refuses requests as long as it cannot ask the Endpoint Picker.
func failsClosed(in Input) bool {
	pool := in.Children.InferencePool
	return pool != nil && pool.Spec.EndpointPickerRef != nil && pool.Spec.EndpointPickerRef.FailureMode == inferencev1.EndpointPickerFailClose
}

// unproved says what a request through the Gateways waits for.
func unproved(in Input) string {
	for _, parent := range in.Plan.Route.Parents {
		if len(Entrances(*in.Plan, in.Routing, parent)) == 0 {
			return fmt.Sprintf("no request can show that its endpoint picker is asked, as Gateway %s has no address in status.addresses yet", parent)
		}
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
