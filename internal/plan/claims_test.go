// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"slices"
	"testing"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

func TestClaims(t *testing.T) {
	t.Parallel()
	const (
		gateway  = "gateway: {parentRefs: [{name: a}]}"
		template = "template: {spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}}"
	)
	host := func(names string) string { return "gateway: {parentRefs: [{name: a}], hostnames: [" + names + "]}" }
	listener := func(name string) string { return "gateway: {parentRefs: [{name: a, sectionName: " + name + "}]}" }
	named := func(names string) string {
		return "gateway: {parentRefs: [{name: a}], models: [" + names + "]}, " + template
	}
	const phi = ", preset: {name: phi-4}"
	byPath, byBody := configv1alpha1.Gateway{}, configv1alpha1.Gateway{BodyBasedRouting: configv1alpha1.BodyBasedRouting{Enabled: true}}
	for name, c := range map[string]struct {
		one, other string
		config     configv1alpha1.Gateway
		want       bool
	}{
		"every path twice":              {gateway + phi, gateway + phi, byPath, true},
		"no route":                      {gateway + phi, "preset: {name: phi-4}", byPath, false},
		"other hosts":                   {host("a.b") + phi, host("c.d") + phi, byPath, false},
		"a host in common":              {host("a.b, e.f") + phi, host("e.f") + phi, byPath, true},
		"other listeners":               {listener("x") + phi, listener("y") + phi, byPath, false},
		"one listener and all of them":  {listener("x") + phi, gateway + phi, byPath, true},
		"another Gateway":               {"gateway: {parentRefs: [{name: b}]}" + phi, gateway + phi, byPath, false},
		"a template takes every path":   {gateway + ", " + template, gateway + phi, byPath, true},
		"a template without port":       {gateway + ", template: {spec: {containers: [{name: c}]}}", gateway + phi, byPath, false},
		"a preset that is not known":    {gateway + ", preset: {name: phi-44}", gateway + phi, byPath, false},
		"other models":                  {gateway + phi, gateway + ", preset: {name: mistral-7b}", byBody, false},
		"one model, in different cases": {gateway + phi, gateway + ", preset: {name: Phi-4}", byBody, true},
		"one model, by its other name":  {gateway + phi, gateway + ", preset: {name: microsoft/Phi-4}", byBody, true},
		"twice by its other name":       {gateway + ", preset: {name: Microsoft/phi-4}", gateway + ", preset: {name: microsoft/phi-4}", byBody, true},
		"one adapter": {
			gateway + phi + ", adapters: [{source: {name: x}}]",
			gateway + ", preset: {name: mistral-7b}, adapters: [{source: {name: x}}]", byBody, true,
		},
		"an adapter called like a model": {
			gateway + ", preset: {name: microsoft/phi-4}",
			gateway + ", preset: {name: mistral-7b}, adapters: [{source: {name: phi-4}}]", byBody, true,
		},
		"a template that is asked for by no name": {gateway + ", " + template, gateway + phi, byBody, false},
		"a template's model":                      {named("mine, phi-4"), gateway + ", preset: {name: microsoft/Phi-4}", byBody, true},
		"a template's model by a preset's other name, which is not what it answers to": {
			named("microsoft/Phi-4"), gateway + phi, byBody, false,
		},
		"two templates":                 {named("mine, Ours"), named("Ours"), byBody, true},
		"two templates, case matters":   {named("ours"), named("Ours"), byBody, false},
		"two templates of other models": {named("mine"), named("ours"), byBody, false},
	} {
		one, other := workspaceWith(t, c.one), workspaceWith(t, c.other)
		if have := excludes(t, one, other, c.config); have != c.want {
			t.Errorf("%s: excludes is %t", name, have)
		}
	}
}

// excludes says whether one of two Workspaces has a claim of the other, and that each finds the other then.
func excludes(t *testing.T, one, other *v1beta1.Workspace, config configv1alpha1.Gateway) bool {
	t.Helper()
	catalogue := newWorld(t).catalogue
	found := false
	for _, a := range plan.ClaimsOf(one, config, catalogue) {
		for _, b := range plan.ClaimsOf(other, config, catalogue) {
			if a.Excludes(b) != b.Excludes(a) {
				t.Errorf("%s and %s exclude each other one way only", a, b)
			}
			if !a.Excludes(b) {
				continue
			}
			found = true
			indexed := func(keys []string) func(string) bool {
				return func(key string) bool { return slices.Contains(keys, key) }
			}
			if !slices.ContainsFunc(a.Keys(), indexed(plan.ClaimKeys(other, config))) || !slices.ContainsFunc(b.Keys(), indexed(plan.ClaimKeys(one, config))) {
				t.Errorf("%s and %s do not find each other by %v and %v", a, b, a.Keys(), b.Keys())
			}
		}
	}
	return found
}

// TestInsteadOf: the advice is what the Workspace itself can do.
func TestInsteadOf(t *testing.T) {
	t.Parallel()
	preset := plan.Plan{Models: []string{"phi-4", "tuned"}, Server: &plan.Server{}}
	for claim, want := range map[string]string{
		"":      "switch on gateway.bodyBasedRouting in the operator's configuration",
		"phi-4": "delete this one, and raise the other's inference.replicas if one is not enough",
		"tuned": "give the adapter another source.name",
	} {
		if got := preset.InsteadOf(plan.Claim{Model: claim}); got != want {
			t.Errorf("%q: %s", claim, got)
		}
	}
	template := plan.Plan{Models: []string{"mine"}}
	if got := template.InsteadOf(plan.Claim{Model: "mine"}); got != "other inference.gateway.models" {
		t.Errorf("a template: %s", got)
	}
}
