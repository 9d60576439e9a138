// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// TestGateway is the operator with body-based routing: many models at one Gateway.
func TestGateway(t *testing.T) { //nolint:tparallel // one operator at a time works in a cluster
	needsGateways(t, shared)
	shared.startOperator(t, bodyBased)
	for name, test := range map[string]func(*testing.T){
		"TwoModels": testTwoModels,
		"Adapter":   testRoutedAdapter,
		"OwnRoute":  testOwnRoute,
		"Shared":    testSharedGateway,
		"OneRouted": testOneRouted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// testTwoModels: the name in the body chooses the model, the Endpoint Picker is asked, and what is not there is said so.
func testTwoModels(t *testing.T) {
	s := newGatewayScene(t, shared)
	s.workspace("phi", offered(gatewayName))
	s.workspace("mistral", offered(gatewayName), preset(mistral))
	for name, model := range map[string]string{"phi": phi, "mistral": mistral} {
		ws := s.routed(name)
		s.Expect(ws.Status.Endpoint).To(gomega.Equal("http://" + s.address))
		s.Expect(s.record.statuses(name, v1beta1.ConditionRouteReady)).To(gomega.Equal([]string{"False", "True"}))
		s.Expect(s.chatThrough(model)).To(gomega.HavePrefix(name + "-"))
	}
	s.Expect(s.modelsThrough()).To(gomega.Equal([]string{mistral, phi}))
	s.streams(phi)
	s.refusesUnknown()
}

// modelsThrough are the names that the Gateway lists.
func (s *gatewayScene) modelsThrough() []string {
	s.t.Helper()
	a, err := s.through("/v1/models", nil)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(a.code).To(gomega.Equal(http.StatusOK), "%s", a.body)
	var list struct {
		Object string
		Data   []struct{ ID, Object string }
	}
	s.Expect(json.Unmarshal(a.body, &list)).To(gomega.Succeed(), "%s", a.body)
	s.Expect(list.Object).To(gomega.Equal("list"))
	var ids []string
	for _, model := range list.Data {
		ids = append(ids, model.ID)
	}
	return ids
}

// refusesUnknown: what no model answers gets an answer in OpenAI's form, which lists the models.
func (s *gatewayScene) refusesUnknown() {
	s.t.Helper()
	unnamed := chatRequest("")
	delete(unnamed, "model")
	for wanted, request := range map[string]map[string]any{
		"The model `gpt-nothing` does not exist.": chatRequest("gpt-nothing"),
		"The request names no model":              unnamed,
	} {
		a, err := s.through("/v1/chat/completions", request)
		s.Expect(err).NotTo(gomega.HaveOccurred())
		s.Expect(a.code).To(gomega.Equal(http.StatusNotFound), "%s", a.body)
		var failure struct {
			Error struct{ Message, Type, Code string }
		}
		s.Expect(json.Unmarshal(a.body, &failure)).To(gomega.Succeed(), "%s", a.body)
		s.Expect(failure.Error.Message).To(gomega.ContainSubstring(wanted))
		s.Expect(failure.Error.Message).To(gomega.HaveSuffix("The models here are: " + mistral + ", " + phi + "."))
		s.Expect(failure.Error.Code).To(gomega.Equal("model_not_found"))
	}
}

// testRoutedAdapter: an adapter is a model of its own to those who ask.
func testRoutedAdapter(t *testing.T) {
	loadAdapter(t)
	s := newGatewayScene(t, shared)
	s.workspace("mistral", offered(gatewayName), withAdapter(nil))
	ws := s.routed("mistral")
	s.Expect(ws.Status.Models).To(gomega.Equal([]string{mistral, "support-tickets"}))
	s.Expect(s.modelsThrough()).To(gomega.Equal(ws.Status.Models))
	for _, model := range ws.Status.Models {
		s.chatThrough(model)
	}
}

// testOwnRoute: who keeps routing in his own hands makes a route to the pool, which stays his, and tells Istio how to verify
// the Endpoint Picker: without that requests fail, or go to any pod.
func testOwnRoute(t *testing.T) {
	s := newGatewayScene(t, shared)
	s.workspace("phi", func(ws *v1beta1.Workspace) { ws.Inference.Gateway = &v1beta1.GatewaySpec{Mode: v1beta1.RouteNone} })
	ws := s.expect("phi", "Ready=True Ready", "!RouteReady")
	theirs := &gatewayv1.HTTPRoute{
		ObjectMeta: metav1.ObjectMeta{Name: ws.Status.InferencePool.Name},
		Spec: gatewayv1.HTTPRouteSpec{
			CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{{Name: gatewayName}}},
			Rules:           []gatewayv1.HTTPRouteRule{{BackendRefs: toPool(ws)}},
		},
	}
	picker := ws.Status.InferencePool.EPPService
	serverName := picker + "." + s.namespace + ".svc"
	rule := &route.DestinationRule{
		ObjectMeta: metav1.ObjectMeta{Name: "own"},
		Spec: route.DestinationRuleSpec{
			Host: serverName + ".cluster.local",
			TrafficPolicy: route.TrafficPolicy{TLS: route.ClientTLS{
				Mode: "SIMPLE", CredentialName: "configmap://" + s.namespace + "/" + picker + "-tls",
				SNI: serverName, SubjectAltNames: []string{serverName},
			}},
		},
	}
	s.create(rule)
	s.create(theirs)
	s.until(func() error {
		a, err := s.through("/v1/chat/completions", chatRequest(phi))
		switch {
		case err != nil:
			return err
		case a.code != http.StatusOK:
			return fmt.Errorf("the route does not lead to the model: %d: %s", a.code, a.body)
		}
		return nil
	})
	s.Expect(s.chatThrough(phi)).To(gomega.HavePrefix("phi-"))
	a, err := s.through("/v1/chat/completions", chatRequest(phi))
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(a.header.Get(pickerMark)).NotTo(gomega.BeEmpty(), "the endpoint picker was not asked")
	// The name that the operator would take is the user's: it says so, and leaves his route alone.
	s.edit(ws, func() { ws.Inference.Gateway = offeredAt(gatewayName) })
	s.expect("phi", "RouteReady=False NameTaken")
	found := &gatewayv1.HTTPRoute{}
	s.must(found, theirs.Name)
	s.Expect(found.Spec).To(gomega.Equal(theirs.Spec))
	s.Expect(found.OwnerReferences).To(gomega.BeEmpty())
	s.Expect(s.Delete(s.ctx, found)).To(gomega.Succeed())
	s.Expect(s.Delete(s.ctx, rule)).To(gomega.Succeed())
	s.routed("phi")
	s.chatThrough(phi)
}

// toPool leads a rule to a Workspace's InferencePool.
func toPool(ws *v1beta1.Workspace) []gatewayv1.HTTPBackendRef {
	return []gatewayv1.HTTPBackendRef{{BackendRef: gatewayv1.BackendRef{BackendObjectReference: gatewayv1.BackendObjectReference{
		Group: new(gatewayv1.Group("inference.networking.k8s.io")), Kind: new(gatewayv1.Kind("InferencePool")),
		Name: gatewayv1.ObjectName(ws.Status.InferencePool.Name),
	}}}}
}

func offeredAt(gateway string) *v1beta1.GatewaySpec {
	ws := &v1beta1.Workspace{Inference: &v1beta1.InferenceSpec{}}
	offered(gateway)(ws)
	return ws.Inference.Gateway
}
