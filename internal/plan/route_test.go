// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

func workspaceWith(t *testing.T, inference string) *v1beta1.Workspace {
	t.Helper()
	ws := &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: "phi-4"}}
	if err := yaml.UnmarshalStrict([]byte("inference: {"+inference+"}"), ws); err != nil {
		t.Fatal(err)
	}
	return ws
}

func TestParentsOf(t *testing.T) {
	t.Parallel()
	standard := &configv1alpha1.GatewayReference{Namespace: "gateways", Name: "shared", SectionName: "http"}
	for name, c := range map[string]struct {
		inference string
		standard  *configv1alpha1.GatewayReference
		want      []plan.Parent
	}{
		"nothing asked for":     {"", nil, nil},
		"the default":           {"", standard, []plan.Parent{{Namespace: "gateways", Name: "shared", Section: "http"}}},
		"hostnames only":        {"gateway: {hostnames: [a.example.com]}", standard, []plan.Parent{{Namespace: "gateways", Name: "shared", Section: "http"}}},
		"none of them":          {"gateway: {mode: None}", standard, nil},
		"no default to rely on": {"gateway: {hostnames: [a.example.com]}", nil, nil},
		"its own": {
			"gateway: {parentRefs: [{name: a}, {name: b, namespace: c, sectionName: d}]}", standard,
			[]plan.Parent{{Namespace: "models", Name: "a"}, {Namespace: "c", Name: "b", Section: "d"}},
		},
		"written twice": {"gateway: {parentRefs: [{name: a}, {name: a, namespace: models}]}", nil, []plan.Parent{{Namespace: "models", Name: "a"}}},
	} {
		if diff := cmp.Diff(c.want, plan.ParentsOf(workspaceWith(t, c.inference), c.standard)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	const gateway = "gateway: {parentRefs: [{name: a}]}"
	byBody := configv1alpha1.Gateway{BodyBasedRouting: configv1alpha1.BodyBasedRouting{Enabled: true}}
	for name, c := range map[string]struct {
		one, other string
		config     configv1alpha1.Gateway
		want       bool
	}{
		"every path twice":              {gateway, gateway, configv1alpha1.Gateway{}, true},
		"no route":                      {gateway, "", configv1alpha1.Gateway{}, false},
		"other hosts":                   {"gateway: {parentRefs: [{name: a}], hostnames: [a.b]}", "gateway: {parentRefs: [{name: a}], hostnames: [c.d]}", configv1alpha1.Gateway{}, false},
		"a host in common":              {"gateway: {parentRefs: [{name: a}], hostnames: [a.b, e.f]}", "gateway: {parentRefs: [{name: a}], hostnames: [e.f]}", configv1alpha1.Gateway{}, true},
		"other listeners":               {"gateway: {parentRefs: [{name: a, sectionName: x}]}", "gateway: {parentRefs: [{name: a, sectionName: y}]}", configv1alpha1.Gateway{}, false},
		"one listener and all of them":  {"gateway: {parentRefs: [{name: a, sectionName: x}]}", gateway, configv1alpha1.Gateway{}, true},
		"another Gateway":               {"gateway: {parentRefs: [{name: b}]}", gateway, configv1alpha1.Gateway{}, false},
		"other models":                  {gateway + ", preset: {name: phi-4}", gateway + ", preset: {name: qwen}", byBody, false},
		"one model, in different cases": {gateway + ", preset: {name: phi-4}", gateway + ", preset: {name: Phi-4}", byBody, true},
		"one adapter": {
			gateway + ", preset: {name: phi-4}, adapters: [{source: {name: x}}]",
			gateway + ", preset: {name: qwen}, adapters: [{source: {name: x}}]", byBody, true,
		},
	} {
		excludes := false
		for _, a := range plan.ClaimsOf(workspaceWith(t, c.one), c.config) {
			for _, b := range plan.ClaimsOf(workspaceWith(t, c.other), c.config) {
				if a.Excludes(b) != b.Excludes(a) {
					t.Errorf("%s: %s and %s exclude each other one way only", name, a, b)
				}
				excludes = excludes || a.Excludes(b)
			}
		}
		if excludes != c.want {
			t.Errorf("%s: excludes is %t", name, excludes)
		}
	}
}
