// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"path/filepath"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// conflictOfNone: who has no route is in nobody's way, until it gets one.
func conflictOfNone(s *scene) {
	s.node("a", 3)
	s.gatewayClass()
	s.gateway(s.proxy())
	first := s.workspace("a-first", offered(), func(ws *v1beta1.Workspace) { ws.Resource.InstanceType = "Standard_NV6" })
	s.expect("a-first", "Stalled=True UnsupportedInstanceType", "!RouteReady")
	s.routed("b-second", offered("b.example.com"))
	s.routed("c-third", offered())
	s.step("one that has but one of its hostnames")
	s.workspace("d-fourth", offered("b.example.com", "d.example.com"))
	s.expect("d-fourth", "RouteReady=False RouteConflict: Workspace "+s.namespace+"/b-second, which is older, has all models on host b.example.com")
	s.routed("e-fifth", offered("d.example.com"))
	s.step("the first can be planned")
	s.edit(first, func() { first.Resource.InstanceType = a100 })
	s.route("a-first")
	s.expect("c-third", "RouteReady=False RouteConflict: Workspace "+s.namespace+"/a-first, which is older, has all models on all hosts")
	s.gone(&gatewayv1.HTTPRoute{}, poolName("c-third"))
	s.step("the second goes")
	s.Expect(s.Delete(s.t.Context(), &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "b-second"}})).To(gomega.Succeed())
	s.route("d-fourth")
	s.expect("e-fifth", "RouteReady=False RouteConflict: Workspace "+s.namespace+"/d-fourth, which is older, has all models on host d.example.com")
}

// nowhere: hostnames without a Gateway are not passed over.
func nowhere(s *scene) {
	s.node("a", 1)
	ws := s.workspace("phi", func(ws *v1beta1.Workspace) {
		ws.Inference.Gateway = &v1beta1.GatewaySpec{Hostnames: []string{"phi.example.com"}}
	})
	s.allButRoute("phi")
	s.expect("phi", "RouteReady=False GatewayNotFound: write inference.gateway.parentRefs, or configure gateway.default", "Ready=False GatewayNotFound")
	s.step("a Gateway, and a listener of it once more")
	s.edit(ws, func() {
		ws.Inference.Gateway.ParentRefs = []v1beta1.GatewayReference{{Name: gatewayName, SectionName: "http"}, {Name: gatewayName}}
	})
	s.Expect(s.route("phi").Spec.ParentRefs).To(gomega.HaveLen(1))
}

// examplesOfRoutes applies what examples/ has for those who write their own routes: the names of objects are the same in
// several files, of which one is meant to be there.
func examplesOfRoutes(s *scene) {
	files, err := filepath.Glob(filepath.Join(root(), "examples", "gateway-api-inference-extension", "*.yaml"))
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(len(files)).To(gomega.BeNumerically(">=", 5))
	for _, file := range files {
		for _, u := range s.manifests(file) {
			s.Expect(s.Create(s.t.Context(), u, client.FieldValidation(metav1.FieldValidationStrict))).To(gomega.Succeed(), file)
			s.Expect(s.Delete(s.t.Context(), u)).To(gomega.Succeed(), file)
		}
	}
}

// routerTaken: somebody else has the name of the router, which every Workspace at the Gateway says.
func routerTaken(s *scene) {
	s.t.Helper()
	s.step("the Gateway comes, where somebody has installed a router")
	foreign := &helmv2.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "front-bbr"},
		Spec:       helmv2.HelmReleaseSpec{ChartRef: &helmv2.CrossNamespaceSourceReference{Kind: "OCIRepository", Name: "theirs"}},
	}
	s.create(foreign)
	mark := s.mark(s.t)
	g := s.gateway(s.proxy())
	s.attached("phi")
	s.expect("phi", "RouteReady=False BodyBasedRoutingNotReady: HelmRelease front-bbr exists and belongs to ", "!Stalled")
	s.until(func() error {
		if !s.get(&gatewayv1.HTTPRoute{}, "front-bbr-models") {
			return errors.New("nothing leads to the list of models")
		}
		return nil
	})
	s.Expect(s.operatorRequests(s.t, mark, s.writes(foreign))).To(gomega.BeEmpty(), "the release is left as it is")
	s.step("it goes")
	s.Expect(s.Delete(s.t.Context(), foreign)).To(gomega.Succeed())
	// Nobody watches what is not ours; the next look at the Gateway finds the name free.
	s.edit(g, func() { g.Annotations = map[string]string{"tests/look": "again"} })
	s.expect("phi", "RouteReady=False BodyBasedRoutingNotReady: HelmRelease "+s.namespace+"/front-bbr of body-based routing is being installed")
}

// templateNamed: a template has no route before it says how clients call its model.
func templateNamed(s *scene) *v1beta1.Workspace {
	s.t.Helper()
	s.step("a template")
	s.workspace("custom", func(ws *v1beta1.Workspace) {
		ws.Inference.Preset = nil
		ws.Inference.Template = &corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "server", Image: "custom", Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
		}}}}
	})
	ws := s.expect("custom", "RouteReady=False ModelsNotNamed: write them into inference.gateway.models", "Stalled=True ModelsNotNamed")
	s.Expect(s.get(&gatewayv1.HTTPRoute{}, poolName("custom"))).To(gomega.BeFalse(), "it would take what no model answers")
	s.step("its model has a name that somebody has")
	s.edit(ws, func() { ws.Inference.Gateway = &v1beta1.GatewaySpec{Models: []string{"phi-4-mini-instruct"}} })
	s.expect("custom", "RouteReady=False RouteConflict: Workspace "+s.namespace+"/phi, which is older, has model phi-4-mini-instruct", "!Stalled")
	s.step("its models have names of their own")
	s.edit(ws, func() { ws.Inference.Gateway.Models = []string{"acme/search-7b", "search"} })
	want := []string{"/ X-Gateway-Model-Name=acme/search-7b", "/ X-Gateway-Model-Name=search"}
	if diff := cmp.Diff(want, matches(s.route("custom"))); diff != "" {
		s.t.Errorf("matches (-want +have):\n%s", diff)
	}
	s.expect("custom", "RouteReady=False RouteProgressing")
	s.Expect(s.get(ws, "custom")).To(gomega.BeTrue())
	s.Expect(ws.Status.Models).To(gomega.Equal([]string{"acme/search-7b", "search"}))
	return ws
}
