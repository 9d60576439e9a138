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

// Entrance returns how the model is called through the first of its Gateways that has an address.
func Entrance(r *plan.Route, routing Routing) (Endpoint, bool) {
	for _, parent := range r.Parents {
		g := routing.gateway(parent)
		if g == nil || len(g.Status.Addresses) == 0 {
			continue
		}
		for _, l := range g.Spec.Listeners {
			if parent.Section != "" && string(l.Name) != parent.Section {
				continue
			}
			scheme := ""
			switch l.Protocol {
			case gatewayv1.HTTPProtocolType:
				scheme = "http"
			case gatewayv1.HTTPSProtocolType:
				scheme = "https"
			default:
				continue
			}
			address := net.JoinHostPort(g.Status.Addresses[0].Value, strconv.Itoa(int(l.Port)))
			return Endpoint{Scheme: scheme, Address: address, Host: hostFor(r, l)}, true
		}
	}
	return Endpoint{}, false
}

// hostFor is a name that the route and the listener both answer to; empty if any will do.
func hostFor(r *plan.Route, l gatewayv1.Listener) string {
	wildcard := ""
	for _, host := range r.Hostnames {
		if !strings.HasPrefix(host, "*.") {
			return host
		}
		wildcard = host
	}
	if l.Hostname != nil && wildcard == "" {
		wildcard = string(*l.Hostname)
	}
	// Any name below a wildcard is as good as another.
	if below, ok := strings.CutPrefix(wildcard, "*."); ok {
		return "models." + below
	}
	return wildcard
}
