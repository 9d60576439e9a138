// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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
		"a Gateway and a listener of it": {
			"gateway: {parentRefs: [{name: a, sectionName: x}, {name: b, sectionName: x}, {name: a, namespace: models}]}", nil,
			[]plan.Parent{{Namespace: "models", Name: "b", Section: "x"}, {Namespace: "models", Name: "a"}},
		},
		"written twice": {"gateway: {parentRefs: [{name: a}, {name: a, namespace: models}]}", nil, []plan.Parent{{Namespace: "models", Name: "a"}}},
	} {
		if diff := cmp.Diff(c.want, plan.ParentsOf(workspaceWith(t, c.inference), c.standard)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

// TestListenersOf: one Workspace at all listeners has the list of models at all of them.
func TestListenersOf(t *testing.T) {
	t.Parallel()
	standard := &configv1alpha1.GatewayReference{Namespace: "models", Name: "a", SectionName: "three"}
	for name, c := range map[string]struct {
		inference []string
		want      []string
	}{
		"nobody":    {nil, nil},
		"listeners": {[]string{"gateway: {parentRefs: [{name: a, sectionName: two}, {name: b}]}", "", "gateway: {parentRefs: [{name: a, sectionName: one}, {name: a, sectionName: two}]}"}, []string{"one", "three", "two"}},
		"all":       {[]string{"", "gateway: {parentRefs: [{name: a}]}"}, nil},
		"elsewhere": {[]string{"gateway: {parentRefs: [{name: b, sectionName: one}]}"}, nil},
	} {
		var workspaces []*v1beta1.Workspace
		for _, inference := range c.inference {
			workspaces = append(workspaces, workspaceWith(t, inference))
		}
		if diff := cmp.Diff(c.want, plan.ListenersOf("models", "a", workspaces, standard), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}
