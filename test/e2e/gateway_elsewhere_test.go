// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// testElsewhere: the Gateway is in a namespace of those who run the cluster. At first it is closed to others. The
// certificates that it verifies Endpoint Pickers by stay with the Workspaces.
func testElsewhere(t *testing.T) {
	theirs := newScene(t, shared, nil)
	s := &gatewayScene{scene: newScene(t, shared, nil), address: theirs.gateway(gatewayName)}
	s.workspace("phi", offeredIn(theirs.namespace))
	s.expect("phi", "RouteReady=False NotAllowedByListeners: spec.listeners[http].allowedRoutes.namespaces.from is Same",
		"InferencePoolReady=True PoolReady", "InferenceReady=True ReplicasReady")
	a, err := s.through("/v1/chat/completions", chatRequest(phi))
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(a.code).To(gomega.Equal(http.StatusNotFound), "%s", a.body)
	theirs.open(gatewayName)
	ws := s.routed("phi")
	s.chatThrough(phi)
	s.refusesImpostor(ws)
}

// testSharedGateway: one Gateway for the Workspaces of several namespaces, and body-based routing is where the Gateway is.
func testSharedGateway(t *testing.T) {
	theirs := newScene(t, shared, nil)
	address := theirs.gateway(gatewayName)
	theirs.open(gatewayName)
	scenes := map[string]*gatewayScene{}
	for _, model := range []string{phi, mistral} {
		scenes[model] = &gatewayScene{scene: newScene(t, shared, nil), address: address}
		scenes[model].workspace("model", offeredIn(theirs.namespace), preset(model))
	}
	for model, s := range scenes {
		ws := s.routed("model")
		s.Expect(s.modelPods("model")).To(gomega.HaveLen(1))
		s.Expect(s.chatThrough(model)).To(gomega.Equal(s.modelPods("model")[0].Name))
		s.Expect(ws.Status.Endpoint).To(gomega.Equal("http://" + address))
	}
	s := scenes[phi]
	s.Expect(s.modelsThrough()).To(gomega.Equal([]string{mistral, phi}))
	s.refusesUnknown()
}

// testOneRouted: of two Gateways in a namespace Workspaces name one, and only there requests go to body-based routing.
func testOneRouted(t *testing.T) {
	const host, seen = "control.example.com", "X-Model-Was-Named"
	s := newGatewayScene(t, shared)
	other := &gatewayScene{scene: s.scene, address: s.gateway("other")}
	s.workspace("phi", offered(gatewayName))
	s.routed("phi")
	s.create(namesModel(host, seen))
	ask := func(at *gatewayScene) (answer, error) {
		return at.through("/v1/chat/completions", chatRequest(phi), "Host", host)
	}
	// It is the same route at both: where somebody has read the body, its first rule matches.
	s.until(func() error {
		a, err := ask(s)
		switch {
		case err != nil:
			return err
		case a.code != http.StatusOK || a.header.Get(seen) == "":
			return fmt.Errorf("the route is not there yet, or nobody reads bodies: %d: %s", a.code, a.body)
		}
		return nil
	})
	s.until(func() error {
		a, err := ask(other)
		switch {
		case err != nil:
			return err
		case a.code != http.StatusOK:
			return fmt.Errorf("the route is not there yet: %d: %s", a.code, a.body)
		case a.header.Get(seen) != "":
			return errors.New("body-based routing was asked at a Gateway that no Workspace names")
		}
		return nil
	})
}

// namesModel is a route of somebody's own at two Gateways, past the InferencePool. It marks what is answered to requests with
// the header that body-based routing sets.
func namesModel(host, mark string) *gatewayv1.HTTPRoute {
	toService := []gatewayv1.HTTPBackendRef{{BackendRef: gatewayv1.BackendRef{BackendObjectReference: gatewayv1.BackendObjectReference{
		Name: "phi", Port: new(gatewayv1.PortNumber(80)),
	}}}}
	return &gatewayv1.HTTPRoute{
		ObjectMeta: metav1.ObjectMeta{Name: "control"},
		Spec: gatewayv1.HTTPRouteSpec{
			CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{{Name: gatewayName}, {Name: "other"}}},
			Hostnames:       []gatewayv1.Hostname{gatewayv1.Hostname(host)},
			Rules: []gatewayv1.HTTPRouteRule{
				{
					Matches: []gatewayv1.HTTPRouteMatch{{Headers: []gatewayv1.HTTPHeaderMatch{{Name: plan.ModelHeader, Value: phi}}}},
					Filters: []gatewayv1.HTTPRouteFilter{{
						Type: gatewayv1.HTTPRouteFilterResponseHeaderModifier,
						ResponseHeaderModifier: &gatewayv1.HTTPHeaderFilter{
							Set: []gatewayv1.HTTPHeader{{Name: gatewayv1.HTTPHeaderName(mark), Value: "yes"}},
						},
					}},
					BackendRefs: toService,
				},
				{BackendRefs: toService},
			},
		},
	}
}
