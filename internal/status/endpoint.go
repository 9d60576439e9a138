// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"net"
	"strconv"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// Endpoint is how a model is called through a Gateway.
type Endpoint struct {
	// Scheme and Address (host and port) are where to connect to, Host is whom to ask for.
	Scheme, Address, Host string
}

// URL is what clients call: by the name if there is one, else by the address.
func (e Endpoint) URL() string {
	host, port, err := net.SplitHostPort(e.Address)
	if err != nil {
		return e.Scheme + "://" + e.Address
	}
	if e.Host != "" {
		host = e.Host
	}
	if port == "80" && e.Scheme == "http" || port == "443" && e.Scheme == "https" {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return e.Scheme + "://" + host
	}
	return e.Scheme + "://" + net.JoinHostPort(host, port)
}

// Entrance returns how the model is called through the first of its Gateways that has an address and a listener for it.
func Entrance(p plan.Plan, routing Routing) (Endpoint, bool) {
	for _, parent := range p.Route.Parents {
		if all := Entrances(p, routing, parent); len(all) > 0 {
			return all[0], true
		}
	}
	return Endpoint{}, false
}

// Entrances are how the model is called through one Gateway: by each of its addresses, through one listener. There are none
// as long as it has no address or no listener for the model.
func Entrances(p plan.Plan, routing Routing, parent plan.Parent) []Endpoint {
	g := routing.gateway(parent)
	if g == nil {
		return nil
	}
	l, host, ok := listenerFor(p, parent, g)
	if !ok {
		return nil
	}
	var all []Endpoint
	for _, a := range g.Status.Addresses {
		// What else there is are names that mean something to the Gateway's controller only.
		if a.Type == nil || *a.Type == gatewayv1.IPAddressType || *a.Type == gatewayv1.HostnameAddressType {
			address := net.JoinHostPort(a.Value, strconv.Itoa(int(l.Port)))
			all = append(all, Endpoint{Scheme: strings.ToLower(string(l.Protocol)), Address: address, Host: host})
		}
	}
	return all
}

// listenerFor is the first listener of a Gateway that the route is on, and the name to ask it for. Whether one that chooses
// namespaces by label admits the route cannot be told from here, so that it comes last.
func listenerFor(p plan.Plan, parent plan.Parent, g *gatewayv1.Gateway) (gatewayv1.Listener, string, bool) {
	for _, bySelector := range []bool{false, true} {
		for _, l := range g.Spec.Listeners {
			if !concerns(parent, l) || closedTo(p.Namespace, g.Namespace, l) != "" || selects(l) != bySelector {
				continue
			}
			if host, ok := hostFor(p.Route.Hostnames, l); ok {
				return l, host, true
			}
		}
	}
	return gatewayv1.Listener{}, "", false
}

// hostFor is a name that a route of those names and the listener both answer to, empty if any will do. It is not ok if
// there is none.
func hostFor(hostnames []string, l gatewayv1.Listener) (string, bool) {
	listener := ""
	if l.Hostname != nil {
		listener = string(*l.Hostname)
	}
	if len(hostnames) == 0 {
		return concrete(listener), true
	}
	wildcard, found := "", false
	for _, host := range hostnames {
		common, ok := intersection(host, listener)
		switch {
		case !ok:
		case !strings.HasPrefix(common, "*."):
			return common, true
		default:
			wildcard, found = common, true
		}
	}
	return concrete(wildcard), found
}

// intersection is the narrower of two names, if the other covers it. The empty one covers all.
func intersection(a, b string) (string, bool) {
	switch {
	case b == "" || covers(b, a):
		return a, true
	case covers(a, b):
		return b, true
	default:
		return "", false
	}
}

func covers(wide, narrow string) bool {
	below, isWildcard := strings.CutPrefix(wide, "*")
	return wide == narrow || isWildcard && strings.HasSuffix(narrow, below)
}

// concrete is a name that a wildcard covers: any one is as good as another.
func concrete(host string) string {
	if below, ok := strings.CutPrefix(host, "*."); ok {
		return "models." + below
	}
	return host
}
