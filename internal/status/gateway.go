// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

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
	var closed, named []string
	found := false
	for _, l := range g.Spec.Listeners {
		if !concerns(parent, l) {
			continue
		}
		found = true
		if reason := closedTo(in.Plan.Namespace, g.Namespace, l); reason != "" {
			closed = append(closed, reason)
			continue
		}
		if _, ok := hostFor(in.Plan.Route.Hostnames, l); ok {
			return verdict{}
		}
		named = append(named, fmt.Sprintf("%s.hostname is %s", fieldOf(l), *l.Hostname))
	}
	switch {
	case !found:
		return routeNot(v1beta1.ReasonListenerNotFound, "Gateway %s/%s has no listener %s: correct sectionName, or add the listener",
			g.Namespace, g.Name, parent.Section)
	case len(named) > 0:
		return routeNot(v1beta1.ReasonNoMatchingHostname, "no listener of Gateway %s/%s is for %s: %s; change one, or inference.gateway.hostnames",
			g.Namespace, g.Name, strings.Join(in.Plan.Route.Hostnames, ", "), strings.Join(named, "; "))
	default:
		return routeNot(v1beta1.ReasonNotAllowedByListeners, "Gateway %s/%s admits no HTTPRoute from namespace %s: %s",
			g.Namespace, g.Name, in.Plan.Namespace, strings.Join(closed, "; "))
	}
}

func concerns(parent plan.Parent, l gatewayv1.Listener) bool {
	return parent.Section == "" || string(l.Name) == parent.Section
}

func fieldOf(l gatewayv1.Listener) string { return "spec.listeners[" + string(l.Name) + "]" }

// selects says that a listener chooses namespaces by label.
func selects(l gatewayv1.Listener) bool {
	return l.AllowedRoutes != nil && l.AllowedRoutes.Namespaces != nil && l.AllowedRoutes.Namespaces.From != nil &&
		*l.AllowedRoutes.Namespaces.From == gatewayv1.NamespacesFromSelector
}

// selectors are the fields by which listeners of a Gateway may keep a namespace out.
func selectors(in Input, parent plan.Parent) []string {
	g := in.Routing.gateway(parent)
	if g == nil {
		return nil
	}
	var fields []string
	for _, l := range g.Spec.Listeners {
		if concerns(parent, l) && selects(l) {
			fields = append(fields, fieldOf(l)+".allowedRoutes.namespaces.selector")
		}
	}
	return fields
}

// closedTo returns the field by which a listener keeps HTTPRoutes of a namespace out; empty if none does.
func closedTo(namespace, own string, l gatewayv1.Listener) string {
	field := fieldOf(l)
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

func (r Routing) gateway(parent plan.Parent) *gatewayv1.Gateway {
	for _, g := range r.Gateways {
		if g.Namespace == parent.Namespace && g.Name == parent.Name {
			return g
		}
	}
	return nil
}
