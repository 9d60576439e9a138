// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import "github.com/workspace-operator/workspace-operator/api/v1beta1"

// remedyNoProbe is what is left where the operator must not, or cannot, send requests through Gateways: statuses are taken
// for proof then.
const remedyNoProbe = "or set gateway.probe: false in the operator's configuration"

// unlike is the verdict on a Gateway whose answer did not come by way of the model's Endpoint Picker. That the picker is
// passed by is said only of an answer that nobody but a model gives: for the rest it was perhaps never its turn.
func unlike(in Input, accepted string) verdict {
	p := in.Routing.Proof
	// With several Gateways it has to be said which one.
	it := "it"
	if len(in.Plan.Route.Parents) > 1 {
		it = "Gateway " + p.Gateway
	}
	switch {
	case p.Code == 0:
		return routeNot(v1beta1.ReasonGatewayNotReachable,
			"%s, but the operator cannot reach %s: %s; let its pods connect to one of the Gateway's status.addresses, %s", accepted, it, p.Problem, remedyNoProbe)
	case p.Stranger:
		return routeNot(v1beta1.ReasonGatewayRequestFailed,
			"%s, but %s has another model answer a request for the model: does another route take its requests?", accepted, it)
	case p.Own:
		return routeNot(v1beta1.ReasonPickerBypassed,
			"%s, and %s answers with code %d, but the endpoint picker %s is not asked, so that %s: is there another DestinationRule or BackendTLSPolicy for its Service, or an EnvoyFilter?",
			accepted, it, p.Code, in.Plan.Names.EPP, bypassed(in))
	case p.Code == 404 && len(in.Plan.Route.Models) > 0:
		return routeNot(v1beta1.ReasonBodyRoutingNotReady,
			"%s, but %s answers a request that names the model in its body with code 404: does the Gateway ask body-based routing (its EnvoyFilter), or does another route take such requests?", accepted, it)
	default:
		reason, why := suspicion(p.Code)
		return routeNot(reason, "%s, but %s answers a request for the model with code %d: %s", accepted, it, p.Code, why)
	}
}

// bypassed is what becomes of requests. A gateway that trusts nobody lets those without a body pass, and fails with what it
// has begun to hand on; a request that names its model has a body.
func bypassed(in Input) string {
	if len(in.Plan.Models) == 0 {
		return "requests go to any pod, or fail if they have a body"
	}
	return "every request goes to any pod"
}

// suspicion is the reason of an answer that is none of a model's, and what it mostly means.
func suspicion(code int) (string, string) {
	switch {
	case code >= 300 && code < 400:
		return v1beta1.ReasonProbeRefused, "the Gateway itself redirects; name a listener in sectionName that does not, " + remedyNoProbe
	case code == 401, code == 403:
		return v1beta1.ReasonProbeRefused, "the Gateway itself wants credentials, which the operator does not have; let requests of its pods through, " + remedyNoProbe
	case code == 429:
		return v1beta1.ReasonProbeRefused, "the Gateway itself limits requests; let those of the operator's pods through, " + remedyNoProbe
	case code >= 500:
		return v1beta1.ReasonGatewayRequestFailed, "is the endpoint picker's certificate trusted, and its Service reachable from the gateway?"
	default:
		return v1beta1.ReasonGatewayRequestFailed, "does another route take its requests?"
	}
}
