// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// TestRoutesByModel has a cluster into which the Gateway API comes late, and operators with one configuration after the
// other.
func TestRoutesByModel(t *testing.T) {
	t.Parallel()
	c := startCluster(t, allCRDs()...)
	s := newScene(t, c)
	s.record.lenient = true
	for _, node := range []string{"a", "b", "c"} {
		s.node(node, 2)
	}
	old := c.agedAuthority(s)
	configuration := func(more string) string {
		return gateOn() + "gateway: {default: {namespace: " + s.namespace + ", name: front}, " + more + "}\n"
	}
	operator := c.startOperator(t, configuration("probe: false, bodyBasedRouting: {enabled: true}"))
	apisComeLate(s)
	s.gatewayClass()
	routerTaken(s)
	byModel(s)
	authorityRotates(s, old)
	s.Expect(operator.stop()).To(gomega.Succeed())

	s.step("the gate goes off, and nothing else changes")
	operator = c.startOperator(t, strings.Replace(configuration("probe: false, bodyBasedRouting: {enabled: true}"), gateOn(), gateOff(), 1))
	gateTakesRoutes(s)
	s.Expect(operator.stop()).To(gomega.Succeed())

	s.step("another kind of gateway, by path")
	operator = c.startOperator(t, configuration("probe: false, implementation: other"))
	policyInstead(s)
	s.Expect(operator.stop()).To(gomega.Succeed())

	s.step("unverified")
	operator = c.startOperator(t, configuration("probe: false, tls: {insecureSkipVerify: true}"))
	unverified(s)

	s.step("the Gateway API goes")
	s.remove("httproutes.gateway.networking.k8s.io")
	s.expect("phi", "RouteReady=False CRDNotFound: not installed in this cluster: httproutes.gateway.networking.k8s.io", "InferenceReady=True ReplicasReady")
	s.step("and comes back")
	s.install(gatewayCRDs()[2])
	s.attached("phi")
	s.expect("phi", "RouteReady=True RouteReady")
	s.Expect(operator.ended()).To(gomega.BeFalse())
}

// apisComeLate: each API is named until it is there.
func apisComeLate(s *scene) {
	s.t.Helper()
	missing := []string{
		"destinationrules.networking.istio.io", "gatewayclasses.gateway.networking.k8s.io", "gateways.gateway.networking.k8s.io",
		"httproutes.gateway.networking.k8s.io", "referencegrants.gateway.networking.k8s.io",
	}
	s.workspace("phi")
	s.expect("phi", "RouteReady=False CRDNotFound: not installed in this cluster: "+strings.Join(missing, ", ")+"; install the Gateway API", "!Stalled")
	s.allButRoute("phi")
	s.step("the Gateway API is installed")
	for _, file := range gatewayCRDs() {
		s.install(file)
	}
	s.expect("phi", "RouteReady=False CRDNotFound: destinationrules.networking.istio.io; install Istio, or set gateway.implementation: other")
	s.step("Istio is installed")
	s.install(istioCRD())
	s.expect("phi", "RouteReady=False GatewayNotFound: Gateway "+s.namespace+"/front does not exist")
}

// byModel: one router and one list of models for a Gateway, which come with the first Workspace and go with the last.
func byModel(s *scene) {
	s.t.Helper()
	s.attached("phi")
	s.expect("phi", "RouteReady=False BodyBasedRoutingNotReady: HelmRelease "+s.namespace+"/front-bbr of body-based routing is being installed")
	if diff := cmp.Diff([]string{"/ X-Gateway-Model-Name=phi-4-mini-instruct"}, matches(s.route("phi"))); diff != "" {
		s.t.Errorf("matches (-want +have):\n%s", diff)
	}
	s.step("the router is installed")
	router := &helmv2.HelmRelease{}
	s.Expect(s.get(router, "front-bbr")).To(gomega.BeTrue())
	s.Expect(metav1.GetControllerOf(router).Kind).To(gomega.Equal("Gateway"))
	s.routerDeploys("front-bbr")
	s.expect("phi", "RouteReady=True RouteReady")

	s.step("a second model")
	mark := s.mark(s.t)
	second := s.workspace("llama", multiNode)
	if diff := cmp.Diff([]string{"/ X-Gateway-Model-Name=llama-3.3-70b-instruct"}, matches(s.route("llama"))); diff != "" {
		s.t.Errorf("matches (-want +have):\n%s", diff)
	}
	s.step("the same model again")
	third := s.workspace("twin")
	held := "RouteReady=False RouteConflict: Workspace " + s.namespace + "/phi, which is older, has model phi-4-mini-instruct on all hosts at Gateway " +
		s.namespace + "/front: write other inference.gateway.hostnames, or delete this one, and raise the other's inference.replicas"
	s.expect("twin", held)
	fourth := s.workspace("alias", func(ws *v1beta1.Workspace) { ws.Inference.Preset.Name = "microsoft/Phi-4-mini-instruct" })
	s.expect("alias", held)
	fifth := templateNamed(s)
	for _, obj := range []client.Object{&helmv2.HelmRelease{}, &sourcev1.OCIRepository{}} {
		obj.SetName("front-bbr")
		s.Expect(s.operatorRequests(s.t, mark, s.writes(obj))).To(gomega.BeEmpty(), "one router is enough for all")
	}
	s.until(func() error {
		if !s.get(&gatewayv1.HTTPRoute{}, "front-bbr-models") {
			return errors.New("nothing leads to the list of models")
		}
		return nil
	})
	grantStays(s)

	s.step("the last Workspace leaves the Gateway")
	for _, ws := range []*v1beta1.Workspace{second, third, fourth, fifth} {
		s.Expect(s.Delete(s.t.Context(), ws)).To(gomega.Succeed())
	}
	s.Expect(s.get(router, "front-bbr")).To(gomega.BeTrue())
	ws := s.expect("phi", "RouteReady=True RouteReady")
	s.edit(ws, func() { ws.Inference.Gateway = &v1beta1.GatewaySpec{Mode: v1beta1.RouteNone} })
	for _, obj := range routerObjects() {
		s.gone(obj, "front-bbr")
	}
	s.gone(&gatewayv1.HTTPRoute{}, "front-bbr-models")
	s.expect("phi", "!RouteReady")
	s.step("and comes back")
	s.edit(ws, func() { ws.Inference.Gateway = nil })
	s.until(func() error {
		if !s.get(router, "front-bbr") {
			return errors.New("the router is not there")
		}
		return nil
	})
}

// gateTakesRoutes: with the gate goes all that leads to pools, and what routes by the body; the model serves on.
func gateTakesRoutes(s *scene) {
	s.t.Helper()
	for _, obj := range []client.Object{&gatewayv1.HTTPRoute{}, &route.DestinationRule{}, &corev1.ConfigMap{}, &corev1.Secret{}} {
		s.gone(obj, routeObject(obj, "phi"))
	}
	for name, all := range map[string][]client.Object{
		poolName("phi"): {&helmv2.HelmRelease{}, &sourcev1.OCIRepository{}},
		"front-bbr":     {&helmv2.HelmRelease{}, &sourcev1.OCIRepository{}},
	} {
		for _, obj := range all {
			s.gone(obj, name)
		}
	}
	s.gone(&gatewayv1.HTTPRoute{}, "front-bbr-models")
	ws := s.expect("phi", "!RouteReady", "!InferencePoolReady", "Ready=True Ready", "InferenceReady=True ReplicasReady")
	s.Expect(ws.Status.Endpoint).To(gomega.Equal("http://phi." + s.namespace + ".svc"))
	s.announced("phi")
}

// grantStays: what lets the Gateway's namespace name the list of models is in the operator's, and is made again.
func grantStays(s *scene) {
	s.t.Helper()
	grant := &gatewayv1beta1.ReferenceGrant{}
	key := client.ObjectKey{Namespace: operatorNamespace, Name: "workspace-operator-models-" + s.namespace}
	s.until(func() error { return s.Get(s.t.Context(), key, grant) })
	s.Expect(s.Delete(s.t.Context(), grant)).To(gomega.Succeed())
	s.until(func() error { return s.Get(s.t.Context(), key, &gatewayv1beta1.ReferenceGrant{}) })
}

// matches are the requests that a route takes, as PATH HEADER=VALUE.
func matches(r *gatewayv1.HTTPRoute) []string {
	var all []string
	for _, rule := range r.Spec.Rules {
		for _, m := range rule.Matches {
			line := *m.Path.Value
			for _, h := range m.Headers {
				line += fmt.Sprintf(" %s=%s", h.Name, h.Value)
			}
			all = append(all, line)
		}
	}
	return all
}

// authorityRotates: an authority that is old is trusted and goes on to sign until its successor is known everywhere.
func authorityRotates(s *scene, old string) {
	s.t.Helper()
	trust := &corev1.ConfigMap{}
	s.until(func() error {
		if !s.get(trust, routeObject(trust, "phi")) {
			return errors.New("there is no ConfigMap")
		}
		return nil
	})
	authorities := strings.SplitAfter(strings.TrimSpace(trust.Data[route.AuthorityKey]), "-----END CERTIFICATE-----\n")
	s.Expect(authorities).To(gomega.HaveLen(2), "the old authority and its successor")
	s.Expect(authorities[1]).To(gomega.Equal(old))
	leaf := s.certificate()
	s.Expect(leaf.Issuer.CommonName).To(gomega.ContainSubstring("workspace-operator endpoint pickers"))
	secret := &corev1.Secret{}
	s.Expect(s.Get(s.t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: authoritySecret}, secret)).To(gomega.Succeed())
	s.Expect(strings.TrimSpace(string(secret.Data[corev1.TLSCertKey]))).To(gomega.Equal(strings.TrimSpace(trust.Data[route.AuthorityKey])))
}

// policyInstead: what is verified by a DestinationRule at Istio is verified by a BackendTLSPolicy elsewhere.
func policyInstead(s *scene) {
	s.t.Helper()
	policy := &gatewayv1.BackendTLSPolicy{}
	s.until(func() error {
		if !s.get(policy, eppName("phi")) {
			return errors.New("there is no BackendTLSPolicy")
		}
		return nil
	})
	s.Expect(policy.Spec.Validation.CACertificateRefs).To(gomega.Equal([]gatewayv1.LocalObjectReference{{Kind: "ConfigMap", Name: "phi-inferencepool-epp-tls"}}))
	s.Expect(string(policy.Spec.Validation.Hostname)).To(gomega.Equal("phi-inferencepool-epp." + s.namespace + ".svc"))
	s.gone(&route.DestinationRule{}, eppName("phi"))
	s.gone(&helmv2.HelmRelease{}, "front-bbr")
	s.until(func() error {
		if have := matches(s.route("phi")); !slices.Equal(have, []string{"/"}) {
			return fmt.Errorf("the route matches %v", have)
		}
		return nil
	})
	s.drifts(policy)
}

// drifts edits a policy and waits until that is taken back by one write.
func (s *scene) drifts(policy *gatewayv1.BackendTLSPolicy) {
	s.t.Helper()
	mark := s.mark(s.t)
	want := policy.Spec.Validation.Hostname
	s.edit(policy, func() { policy.Spec.Validation.Hostname = "other.example.com" })
	s.until(func() error {
		if s.get(policy, policy.Name); policy.Spec.Validation.Hostname != want {
			return errors.New("the edit stays")
		}
		return nil
	})
	s.writesStay(target{name: policy.Name, object: func() client.Object { return &gatewayv1.BackendTLSPolicy{} }}, mark, 1, "BackendTLSPolicy")
}

// unverified: nothing is left of certificates.
func unverified(s *scene) {
	s.t.Helper()
	rule := &route.DestinationRule{}
	s.until(func() error {
		if !s.get(rule, eppName("phi")) {
			return errors.New("there is no DestinationRule")
		}
		return nil
	})
	s.Expect(rule.Spec.TrafficPolicy.TLS).To(gomega.Equal(route.ClientTLS{Mode: "SIMPLE", InsecureSkipVerify: new(true)}))
	for _, obj := range []client.Object{&gatewayv1.BackendTLSPolicy{}, &corev1.ConfigMap{}, &corev1.Secret{}} {
		s.gone(obj, routeObject(obj, "phi"))
	}
	s.fluxDeploys("phi")
	s.attached("phi")
	s.expect("phi", "RouteReady=True RouteReady")
}
