// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package modellist

import (
	"net"
	"slices"
	"strings"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// at are the Workspaces that requests for a host are routed to. The gateway looks for the narrowest hostname first, and
// then only among the routes that have it: Envoy never falls back from one virtual host to another.
func at(host string, workspaces []v1beta1.Workspace) []*v1beta1.Workspace {
	narrowest := ""
	for i := range workspaces {
		for _, name := range plan.HostnamesOf(&workspaces[i]) {
			if covers(name, host) && len(strings.TrimPrefix(name, "*")) > len(strings.TrimPrefix(narrowest, "*")) {
				narrowest = name
			}
		}
	}
	var found []*v1beta1.Workspace
	for i := range workspaces {
		if slices.Contains(plan.HostnamesOf(&workspaces[i]), narrowest) {
			found = append(found, &workspaces[i])
		}
	}
	return found
}

// covers says whether a hostname of the Gateway API, exact or with a wildcard for any number of labels, matches a host; the
// empty one matches all.
func covers(name, host string) bool {
	below, isWildcard := strings.CutPrefix(name, "*")
	return name == "" || name == host || isWildcard && strings.HasSuffix(host, below)
}

// hostname is what a request's Host says without the port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}
