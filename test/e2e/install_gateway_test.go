// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"

	"github.com/onsi/gomega"
)

// byModel hooks a router into every Gateway that a Workspace names.
const byModel = "config.gateway.bodyBasedRouting.enabled=true"

// routed is the Workspace that is offered at a Gateway.
const routed = "routed"

// offer is an upgrade that switches body-based routing on, and a Workspace behind a Gateway.
func (l *lifecycle) offer() {
	l.t.Helper()
	l.upgrade(gateValue+"true", newPool, byModel)
	l.gateway = newGatewayScene(l.t, shared)
	l.gateway.workspace(routed, offered(gatewayName), preset(mistral))
	l.offered()
	l.untouched()
}

// offered: the Gateway asks the Endpoint Picker, and the model answers through it.
func (l *lifecycle) offered() {
	l.t.Helper()
	l.gateway.routed(routed)
	l.Expect(l.gateway.chatThrough(mistral)).To(gomega.HavePrefix(routed + "-"))
}

// withdrawn: with the gate went routes, certificates, pools and the router; the model serves on under its Service. The
// Workspace asks for a Gateway by itself, and is told that there is none to be had.
func (l *lifecycle) withdrawn() {
	l.t.Helper()
	l.gateway.expect(routed, "InferenceReady=True ReplicasReady", "RouteReady=False RouteWithoutPool", "!InferencePoolReady")
	kinds := []string{"httproutes", "destinationrules", "envoyfilters", "helmreleases", "ocirepositories", "inferencepools"}
	l.eventually(func() error {
		for _, object := range l.gateway.inventory() {
			kind, name, _ := strings.Cut(object, "/")
			if slices.Contains(kinds, kind) || strings.HasSuffix(name, "-tls") || strings.Contains(name, gatewayName+"-bbr") {
				return fmt.Errorf("%s is still there", object)
			}
		}
		return nil
	})
}
