// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

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
	case !p.Known && wasReady(in) && !pickerServes(in):
		return yes(condition, v1beta1.ReasonRouteReady, accepted+"; its endpoint picker is not available, see InferencePoolReady")
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
	case p.Code == 404 && len(in.Plan.Route.Models) > 0:
		return routeNot(v1beta1.ReasonBodyRoutingNotReady,
			"%s, but it answers a request that names the model in its body with code 404: does the Gateway ask body-based routing (its EnvoyFilter), or does another route take such requests?", accepted)
	case p.Code == 404:
		return routeNot(v1beta1.ReasonGatewayRequestFailed,
			"%s, but it answers a request for the model with code 404: does another route take its requests?", accepted)
	default:
		return routeNot(v1beta1.ReasonPickerBypassed,
			"%s and answers with code %d, but the endpoint picker %s is not asked, so that every request goes to any pod: is there another DestinationRule or BackendTLSPolicy for its Service, or an EnvoyFilter?",
			accepted, p.Code, in.Plan.Names.EPP)
	}
}

func pickerServes(in Input) bool {
	return in.Children.EPP != nil && in.Children.EPP.Status.AvailableReplicas > 0
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
