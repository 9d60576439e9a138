// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/accelerator"
	"github.com/workspace-operator/workspace-operator/internal/observe"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/preset"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// everything is a cluster that serves all that is optional.
func everything() observe.APIs {
	return observe.APIsOf(slices.Sorted(maps.Keys(observe.OptionalAPIs())))
}

// atGateway is a configuration with a default Gateway.
func atGateway(bodyBased bool) configv1alpha1.Gateway {
	return configv1alpha1.Gateway{
		Default:          &configv1alpha1.GatewayReference{Namespace: "gateways", Name: "inference-gateway"},
		BodyBasedRouting: configv1alpha1.BodyBasedRouting{Enabled: bodyBased},
	}
}

// withRoutes adds the indexes of routes, with body-based routing.
func withRoutes(b *fake.ClientBuilder) *fake.ClientBuilder {
	return b.WithIndex(&route.DestinationRule{}, observe.ByHost, func(obj client.Object) []string {
		return observe.HostsOf(obj.(*route.DestinationRule))
	}).WithIndex(&gatewayv1.HTTPRoute{}, observe.ByPool, func(obj client.Object) []string {
		return route.PoolsOf(obj.(*gatewayv1.HTTPRoute))
	}).WithIndex(&v1beta1.Workspace{}, observe.ByClaim, func(obj client.Object) []string {
		return plan.ClaimKeys(obj.(*v1beta1.Workspace), atGateway(true))
	})
}

func isRouting(obj client.Object) bool {
	switch obj.(type) {
	case *gatewayv1.Gateway, *gatewayv1.GatewayClass, *gatewayv1.HTTPRoute, *gatewayv1beta1.ReferenceGrant, *route.DestinationRule:
		return true
	default:
		return false
	}
}

// TestMissingForRoutes: what must be installed follows from what would be written.
func TestMissingForRoutes(t *testing.T) {
	t.Parallel()
	gateways := []string{observe.CRDGatewayClass, observe.CRDGateway, observe.CRDHTTPRoute}
	verified := &plan.PickerTLS{}
	for name, c := range map[string]struct {
		route  plan.Route
		tls    *plan.PickerTLS
		served []string
		want   []string
	}{
		"nothing, Istio": {
			plan.Route{Implementation: configv1alpha1.ImplementationIstio},
			nil, nil,
			[]string{observe.CRDDestinationRule, observe.CRDGatewayClass, observe.CRDGateway, observe.CRDHTTPRoute},
		},
		"Gateway API without Istio": {
			plan.Route{Implementation: configv1alpha1.ImplementationIstio}, verified, gateways, []string{observe.CRDDestinationRule},
		},
		"others verify by a policy": {
			plan.Route{Implementation: configv1alpha1.ImplementationOther}, verified, gateways, []string{observe.CRDBackendTLSPolicy},
		},
		"cert-manager is to make certificates": {
			plan.Route{Implementation: configv1alpha1.ImplementationIstio},
			&plan.PickerTLS{CertManager: &configv1alpha1.CertManager{}},
			append(slices.Clone(gateways), observe.CRDDestinationRule),
			[]string{observe.CRDCertificate},
		},
		"others do not verify": {plan.Route{Implementation: configv1alpha1.ImplementationOther}, nil, gateways, nil},
		"the list of models needs a grant": {
			plan.Route{Implementation: configv1alpha1.ImplementationIstio, BodyBased: true},
			nil,
			append(slices.Clone(gateways), observe.CRDDestinationRule),
			[]string{observe.CRDReferenceGrant},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			routing, err := observer(t, store(t)).Routing(t.Context(), plan.Plan{Route: &c.route, TLS: c.tls}, observe.APIsOf(c.served))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, routing.Missing, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRoutingNoNews: a Gateway that counts its routes, and what others route to their Services, concern no Workspace.
func TestRoutingNoNews(t *testing.T) {
	t.Parallel()
	gateway := func(attached int32) *gatewayv1.Gateway {
		return &gatewayv1.Gateway{Status: gatewayv1.GatewayStatus{Listeners: []gatewayv1.ListenerStatus{{Name: "http", AttachedRoutes: attached}}}}
	}
	service := func(name, accepted string) *gatewayv1.HTTPRoute {
		r := &gatewayv1.HTTPRoute{Spec: gatewayv1.HTTPRouteSpec{Rules: []gatewayv1.HTTPRouteRule{{BackendRefs: []gatewayv1.HTTPBackendRef{{
			BackendRef: gatewayv1.BackendRef{BackendObjectReference: gatewayv1.BackendObjectReference{Name: gatewayv1.ObjectName(name)}},
		}}}}}}
		r.Status.Parents = []gatewayv1.RouteParentStatus{{Conditions: []metav1.Condition{{Type: "Accepted", Reason: accepted}}}}
		return r
	}
	for name, c := range map[string]struct{ before, after client.Object }{
		"attached routes": {gateway(1), gateway(2)},
		"a rule's policy": {
			&route.DestinationRule{Spec: route.DestinationRuleSpec{Host: "a"}},
			&route.DestinationRule{Spec: route.DestinationRuleSpec{Host: "a", TrafficPolicy: route.TrafficPolicy{TLS: route.ClientTLS{Mode: "SIMPLE"}}}},
		},
		"a route elsewhere":  {service("a", "Accepted"), service("b", "NoMatchingParent")},
		"a grant's contents": {&gatewayv1beta1.ReferenceGrant{}, &gatewayv1beta1.ReferenceGrant{Spec: gatewayv1beta1.ReferenceGrantSpec{From: []gatewayv1beta1.ReferenceGrantFrom{{Kind: "HTTPRoute"}}}}},
	} {
		options := observe.RoutingCacheOptions(untouched)
		if diff := cmp.Diff(ingest(t, options, c.before), ingest(t, options, c.after)); diff != "" {
			t.Errorf("%s: the cache takes it for a change:\n%s", name, diff)
		}
	}
}

// TestRouterNoNews: all Workspaces of a Gateway look when its router changes, so what they do not read is no change.
func TestRouterNoNews(t *testing.T) {
	t.Parallel()
	router := func(change func(*appsv1.Deployment)) *appsv1.Deployment {
		d := &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{
				v1beta1.LabelWorkspace: "", v1beta1.LabelGateway: "shared-bbr", "helm.toolkit.fluxcd.io/name": "shared-bbr",
			}},
			Spec:   appsv1.DeploymentSpec{Replicas: new(int32(2))},
			Status: appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 2, ReadyReplicas: 2, AvailableReplicas: 2},
		}
		change(d)
		return d
	}
	options := cacheOptions(t)
	whole := ingest(t, options, router(func(*appsv1.Deployment) {}))
	for name, c := range map[string]struct {
		change func(*appsv1.Deployment)
		news   bool
	}{
		"one of two restarts": {func(d *appsv1.Deployment) { d.Status.ReadyReplicas, d.Status.AvailableReplicas = 1, 1 }, false},
		"a rollout": {func(d *appsv1.Deployment) {
			d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.ObservedGeneration = 3, 1, 2
		}, false},
		"nobody serves":     {func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 0 }, true},
		"scaled to nothing": {func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(0)) }, true},
	} {
		diff := cmp.Diff(whole, ingest(t, options, router(c.change)))
		if (diff != "") != c.news {
			t.Errorf("%s: news is %t, want %t:\n%s", name, diff != "", c.news, diff)
		}
	}
}

// TestHolder: of two Workspaces with one claim the older has it, and each claim counts by itself.
func TestHolder(t *testing.T) {
	t.Parallel()
	named := func(name string, age int, change func(*v1beta1.InferenceSpec)) *v1beta1.Workspace {
		ws := &v1beta1.Workspace{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "models", Name: name, UID: types.UID(name),
				CreationTimestamp: metav1.NewTime(time.Date(2030, 1, 1, 12-age, 0, 0, 0, time.UTC)),
			},
			Inference: &v1beta1.InferenceSpec{Preset: &v1beta1.PresetSpec{Name: "phi-4"}},
		}
		change(ws.Inference)
		return ws
	}
	plain := func(*v1beta1.InferenceSpec) {}
	host := func(names ...string) func(*v1beta1.InferenceSpec) {
		return func(i *v1beta1.InferenceSpec) { i.Gateway = &v1beta1.GatewaySpec{Hostnames: names} }
	}
	section := func(name string) func(*v1beta1.InferenceSpec) {
		return func(i *v1beta1.InferenceSpec) {
			i.Gateway = &v1beta1.GatewaySpec{ParentRefs: []v1beta1.GatewayReference{{Namespace: "gateways", Name: "inference-gateway", SectionName: name}}}
		}
	}
	adapter := func(i *v1beta1.InferenceSpec) {
		i.Preset.Name = "mistral-7b"
		i.Adapters = []v1beta1.AdapterSpec{{Source: &v1beta1.DataSource{Name: "phi-4"}}}
	}
	called := func(name string) func(*v1beta1.InferenceSpec) {
		return func(i *v1beta1.InferenceSpec) { i.Preset.Name = name }
	}
	deleted := named("older", 2, plain)
	deleted.DeletionTimestamp, deleted.Finalizers = new(metav1.Now()), []string{"tests/keep"}
	for name, c := range map[string]struct {
		other  *v1beta1.Workspace
		change func(*v1beta1.InferenceSpec)
		held   bool
	}{
		"older":                       {named("older", 2, plain), plain, true},
		"younger":                     {named("younger", 0, plain), plain, false},
		"as old, first by name":       {named("a", 1, plain), plain, true},
		"as old, last by name":        {named("z", 1, plain), plain, false},
		"older, but it goes":          {deleted, plain, false},
		"another model":               {named("older", 2, called("mistral-7b")), plain, false},
		"the model in other letters":  {named("older", 2, called("PHI-4")), plain, true},
		"the model by its other name": {named("older", 2, called("microsoft/Phi-4")), plain, true},
		"and the other way round":     {named("older", 2, plain), called("microsoft/Phi-4"), true},
		"both by its other name":      {named("older", 2, called("Microsoft/phi-4")), called("microsoft/Phi-4"), true},
		"an alias that came later":    {named("older", 2, called("my-phi")), plain, true},
		"a model that is not known":   {named("older", 2, called("phi-44")), plain, false},
		"nothing is known of it":      {told(named("older", 2, plain)), plain, true},
		"its route is on the way":     {told(named("older", 2, plain), "RouteReady=False RouteProgressing"), plain, true},
		"never planned":               {told(named("older", 2, plain), "InferenceReady=False NotPlanned"), plain, false},
		"stalled":                     {told(named("older", 2, plain), "Stalled=True ModelDoesNotFit"), plain, false},
		"stalled, with a route": {
			told(named("older", 2, plain), "Stalled=True InvalidInferenceConfig", "RouteReady=True RouteReady"), plain, true,
		},
		"a third one has what it claims": {told(named("older", 2, plain), "RouteReady=False RouteConflict"), plain, false},
		"an adapter of the name":         {named("older", 2, adapter), plain, true},
		"another host":                   {named("older", 2, host("a.example.com")), host("b.example.com"), false},
		"one host in common":             {named("older", 2, host("a.example.com", "c.example.com")), host("b.example.com", "c.example.com"), true},
		"a host is narrower than all":    {named("older", 2, plain), host("b.example.com"), false},
		"another listener":               {named("older", 2, section("a")), section("b"), false},
		"all listeners":                  {named("older", 2, plain), section("b"), true},
		"no route":                       {named("older", 2, func(i *v1beta1.InferenceSpec) { i.Gateway = &v1beta1.GatewaySpec{Mode: v1beta1.RouteNone} }), plain, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ws := named("phi", 1, c.change)
			instances, err := accelerator.Default()
			if err != nil {
				t.Fatal(err)
			}
			s := store(t, ws, c.other)
			claim, holder, err := observe.New(s, s, configv1alpha1.Configuration{Gateway: atGateway(true)}, instances).Holder(t.Context(), ws, presets(t))
			if err != nil {
				t.Fatal(err)
			}
			want := ws.Name
			if c.held {
				want = c.other.Name
			}
			if holder.Name != want {
				t.Errorf("%s has it by %q, want %s", holder.Name, claim, want)
			}
		})
	}
}

// presets are the built-in ones and an alias of phi-4, which no index knows of.
func presets(t *testing.T) preset.Catalogue {
	t.Helper()
	catalogue, err := preset.Default()
	if err != nil {
		t.Fatal(err)
	}
	catalogue, problems := catalogue.With(map[string]string{"more.yaml": `presets:
  - name: phi-4
    aliases: [my-phi]
    model: microsoft/phi-4
    weightsSize: 28Gi
    attention: {layers: 40, heads: 40, kvHeads: 10, headDim: 128}
    maxContextLength: 16384
`})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return catalogue
}

// told gives a Workspace conditions, as TYPE=STATUS REASON.
func told(ws *v1beta1.Workspace, conditions ...string) *v1beta1.Workspace {
	for _, one := range conditions {
		value, reason, _ := strings.Cut(one, " ")
		kind, status, _ := strings.Cut(value, "=")
		meta.SetStatusCondition(&ws.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionStatus(status), Reason: reason})
	}
	return ws
}

// TestHolderIsTheOldest: whatever the order of the cache, one and the same is named.
func TestHolderIsTheOldest(t *testing.T) {
	t.Parallel()
	at := func(name, section string, hour int) *v1beta1.Workspace {
		return &v1beta1.Workspace{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "models", Name: name, UID: types.UID(name),
				CreationTimestamp: metav1.NewTime(time.Date(2030, 1, 1, hour, 0, 0, 0, time.UTC)),
			},
			Inference: &v1beta1.InferenceSpec{
				Preset:  &v1beta1.PresetSpec{Name: "phi-4"},
				Gateway: &v1beta1.GatewaySpec{ParentRefs: []v1beta1.GatewayReference{{Name: "shared", SectionName: section}}},
			},
		}
	}
	ws := at("all", "", 3)
	instances, err := accelerator.Default()
	if err != nil {
		t.Fatal(err)
	}
	// The fake client lists by name.
	s := store(t, ws, at("a", "x", 2), at("b", "y", 1), at("c", "z", 2))
	_, holder, err := observe.New(s, s, configv1alpha1.Configuration{Gateway: atGateway(true)}, instances).Holder(t.Context(), ws, presets(t))
	if err != nil {
		t.Fatal(err)
	}
	if holder.Name != "b" {
		t.Errorf("%s has it", holder.Name)
	}
}

// TestRules: which DestinationRules of others Istio may follow on the way to an Endpoint Picker.
func TestRules(t *testing.T) {
	t.Parallel()
	p := plan.Plan{
		Namespace: "models", Names: plan.Names{Pool: "phi-inferencepool", EPP: "phi-epp"},
		Route: &plan.Route{
			Parents: []plan.Parent{
				{Namespace: "gateways", Name: "a"}, {Namespace: "gateways", Name: "b"}, {Namespace: "istio-system", Name: "c"}, {Namespace: "models", Name: "d"},
			},
			Implementation: configv1alpha1.ImplementationIstio,
		},
	}
	own := &route.DestinationRule{
		ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: "phi-epp", OwnerReferences: []metav1.OwnerReference{{Kind: "Workspace", Name: "phi", Controller: new(true)}}},
		Spec:       route.DestinationRuleSpec{Host: "phi-epp.models.svc.cluster.local"},
	}
	objects := []client.Object{own}
	for name, host := range map[string]string{
		"models/full": "phi-epp.models.svc.cluster.local", "models/short": "phi-epp", "gateways/full": "phi-epp.models.svc.cluster.local",
		"gateways/namespace": "*.models.svc.cluster.local", "gateways/all": "*",
		// Those that Istio does not follow, or takes for another host.
		"models/wildcard": "*.local", "models/half": "phi-epp.models", "models/other": "llama-epp", "gateways/short": "phi-epp",
		"gateways/other": "*.other.svc.cluster.local", "istio-system/mesh": "*.local", "elsewhere/full": "phi-epp.models.svc.cluster.local",
	} {
		namespace, name, _ := strings.Cut(name, "/")
		objects = append(objects, &route.DestinationRule{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: route.DestinationRuleSpec{Host: host},
		})
	}
	for implementation, want := range map[configv1alpha1.GatewayImplementation][]string{
		configv1alpha1.ImplementationIstio: {"gateways/all", "gateways/full", "gateways/namespace", "models/full", "models/short"},
		configv1alpha1.ImplementationOther: nil,
	} {
		p.Route.Implementation = implementation
		routing, err := observer(t, store(t, objects...)).Routing(t.Context(), p, everything())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, rule := range routing.Rules {
			got = append(got, rule.Namespace+"/"+rule.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", implementation, diff)
		}
	}
}
