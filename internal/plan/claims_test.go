// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"testing"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

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
