// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

var update = flag.Bool("update", false, "rewrite testdata/*.yaml")

func example() plan.Plan {
	return plan.Plan{
		Namespace: "models", Name: "phi-4",
		Owner: metav1.OwnerReference{
			APIVersion: "kaito.sh/v1beta1", Kind: "Workspace", Name: "phi-4", UID: "5e2c",
			Controller: new(true), BlockOwnerDeletion: new(true),
		},
		Names: plan.Names{Pool: "phi-4-inferencepool", EPP: "phi-4-inferencepool-epp"},
		Port:  5000,
		Pool:  &plan.Pool{},
		Route: &plan.Route{
			Parents:        []plan.Parent{{Namespace: "gateways", Name: "inference-gateway"}},
			Implementation: configv1alpha1.ImplementationIstio,
		},
		TLS: &plan.PickerTLS{
			Name: "phi-4-inferencepool-epp-tls", ServerName: "phi-4-inferencepool-epp.models.svc",
			DNSNames: []string{"phi-4-inferencepool-epp.models.svc"},
		},
	}
}

func TestRenderGolden(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*plan.Plan){
		"path": func(*plan.Plan) {},
		"models": func(p *plan.Plan) {
			r := p.Route
			r.Models = []string{"phi-4-mini-instruct", "my-adapter"}
			r.Hostnames = []string{"*.example.com", "models.example.com"}
			r.Parents = append(r.Parents, plan.Parent{Namespace: "models", Name: "private", Section: "https"})
			r.Timeout = 10 * time.Minute
		},
		"unverified": func(p *plan.Plan) { p.TLS = nil },
		"policy":     func(p *plan.Plan) { p.Route.Implementation = configv1alpha1.ImplementationOther },
		"policy-unverified": func(p *plan.Plan) {
			p.Route.Implementation, p.TLS = configv1alpha1.ImplementationOther, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := example()
			change(&p)
			objects, err := route.Render(p)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, name, objects)
		})
	}
}

// TestModelListGolden: one route for all hosts and one for each 16 names, at the listeners where models are.
func TestModelListGolden(t *testing.T) {
	t.Parallel()
	r := plan.Router{
		Namespace: "gateways", Gateway: "shared", Name: "shared-bbr", OperatorNamespace: "kaito-workspace",
		Settings: configv1alpha1.BodyBasedRouting{ModelsService: "workspace-operator-models"},
	}
	hostnames := []string{"", "b.example.com", "", "*.example.com", "b.example.com"}
	for i := range 16 {
		hostnames = append(hostnames, fmt.Sprintf("host-%02d.example.com", i))
	}
	confined := r
	confined.Listeners = []string{"http", "https"}
	var all []route.Object
	for _, list := range append(route.ModelList(r, hostnames), route.ModelList(confined, []string{"b.example.com"})...) {
		all = append(all, list)
	}
	compareObjects(t, "model-list", append(all, route.ModelGrant(r))...)
}

// TestCertificatesGolden has what the Endpoint Picker serves, and what gateways verify it by.
func TestCertificatesGolden(t *testing.T) {
	t.Parallel()
	p := example()
	compareObjects(t, "signed",
		route.Secret(p, []byte("certificate\n"), []byte("key\n")),
		route.Trust(p, route.Trusted{Authorities: []byte("operator\n"), Served: []byte("certificate\n")}))
	p.TLS.CertManager = &configv1alpha1.CertManager{
		IssuerRef: configv1alpha1.IssuerReference{Name: "corp", Kind: "ClusterIssuer", Group: "cert-manager.io"}, CABundle: "corp\n",
	}
	compareObjects(t, "requested",
		route.Requested(p), route.Trust(p, route.Trusted{Authorities: []byte("corp\n")}),
		route.Trust(p, route.Trusted{Authorities: []byte("corp\n"), Previous: []byte("operator\n")}))
}

// TestFilledByCertManager: a Secret is known by all that cert-manager was told to write on it.
func TestFilledByCertManager(t *testing.T) {
	t.Parallel()
	p := example()
	p.TLS.CertManager = &configv1alpha1.CertManager{}
	filled := func() *metav1.ObjectMeta {
		asked := route.Requested(p)
		return &metav1.ObjectMeta{
			Name: asked.Spec.SecretName, Labels: asked.Spec.SecretTemplate.Labels,
			Annotations: map[string]string{route.CertificateNameAnnotation: asked.Name},
		}
	}
	for name, c := range map[string]struct {
		change func(*metav1.ObjectMeta)
		want   bool
	}{
		"as it was filled":        {func(*metav1.ObjectMeta) {}, true},
		"of another Workspace":    {func(o *metav1.ObjectMeta) { o.Labels["kaito.sh/workspace"] = "other" }, false},
		"of another operator":     {func(o *metav1.ObjectMeta) { o.Labels["app.kubernetes.io/managed-by"] = "Helm" }, false},
		"of another Certificate":  {func(o *metav1.ObjectMeta) { o.Annotations[route.CertificateNameAnnotation] = "other" }, false},
		"not cert-manager's":      {func(o *metav1.ObjectMeta) { o.Annotations = nil }, false},
		"somebody's, with a name": {func(o *metav1.ObjectMeta) { o.Labels = nil }, false},
	} {
		secret := filled()
		c.change(secret)
		if got := route.FilledByCertManager(secret, p.Name); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func compare(t *testing.T, name string, objects route.Objects) {
	t.Helper()
	all := []route.Object{objects.HTTPRoute}
	if security, ok := objects.Security(); ok {
		all = append(all, security)
	}
	compareObjects(t, name, all...)
}

func compareObjects(t *testing.T, name string, all ...route.Object) {
	t.Helper()
	var got bytes.Buffer
	for _, obj := range all {
		text, err := yaml.Marshal(obj)
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString("---\n")
		got.Write(text)
	}
	golden := filepath.Join("testdata", name+".yaml")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("rendered objects (-want +got):\n%s", diff)
	}
}

func TestRenderNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*plan.Plan){
		"no route":   func(p *plan.Plan) { p.Route = nil },
		"no pool":    func(p *plan.Plan) { p.Pool = nil },
		"no Gateway": func(p *plan.Plan) { p.Route.Parents = nil },
	} {
		p := example()
		change(&p)
		if _, err := route.Render(p); err == nil {
			t.Errorf("%s: rendered", name)
		}
	}
}

// TestPoolsOf reads what Render wrote, and routes that are not ours.
func TestPoolsOf(t *testing.T) {
	t.Parallel()
	objects, err := route.Render(example())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"models/phi-4-inferencepool"}, route.PoolsOf(objects.HTTPRoute)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	foreign := objects.HTTPRoute.DeepCopy()
	ref := &foreign.Spec.Rules[0].BackendRefs[0]
	ref.Namespace = new(gatewayv1.Namespace("other"))
	service := *ref.DeepCopy()
	service.Kind, service.Group = new(gatewayv1.Kind("Service")), nil
	foreign.Spec.Rules[0].BackendRefs = append(foreign.Spec.Rules[0].BackendRefs, service, *ref)
	if diff := cmp.Diff([]string{"other/phi-4-inferencepool"}, route.PoolsOf(foreign)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestBypasses: what counts is a filter on a rule that leads to the pool; a route may have others.
func TestBypasses(t *testing.T) {
	t.Parallel()
	objects, err := route.Render(example())
	if err != nil {
		t.Fatal(err)
	}
	ours := objects.HTTPRoute.Spec.Rules[0]
	filtered := *ours.DeepCopy()
	filtered.Filters = []gatewayv1.HTTPRouteFilter{
		{Type: gatewayv1.HTTPRouteFilterRequestHeaderModifier}, {Type: gatewayv1.HTTPRouteFilterCORS},
	}
	elsewhere := *filtered.DeepCopy()
	elsewhere.BackendRefs[0].Name = "another-inferencepool"
	for name, c := range map[string]struct {
		rules []gatewayv1.HTTPRouteRule
		want  string
	}{
		"our own":                   {rules: []gatewayv1.HTTPRouteRule{ours}},
		"on the rule":               {rules: []gatewayv1.HTTPRouteRule{filtered}, want: "CORS"},
		"on one of two rules":       {rules: []gatewayv1.HTTPRouteRule{ours, filtered}, want: "CORS"},
		"on a rule to another pool": {rules: []gatewayv1.HTTPRouteRule{ours, elsewhere}},
	} {
		r := objects.HTTPRoute.DeepCopy()
		r.Spec.Rules = c.rules
		filter, found := route.Bypasses(r, "models", "phi-4-inferencepool")
		if filter != c.want || found != (c.want != "") {
			t.Errorf("%s: got %q, %t", name, filter, found)
		}
	}
}
