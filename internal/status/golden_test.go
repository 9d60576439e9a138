// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/status"
	"github.com/workspace-operator/workspace-operator/internal/status/statustest"
)

var update = flag.Bool("update", false, "rewrite testdata/*/want.yaml")

// outcome is what a step leads to, told as the difference from the step before: what stays is not said, so that a
// condition that flaps is a line too many.
type outcome struct {
	Step string `json:"step"`
	// Conditions that changed, as "status reason: message"; "absent" for one that is gone.
	Conditions map[string]string `json:"conditions,omitempty"`
	// Status is the rest, if it changed.
	Status *v1beta1.WorkspaceStatus `json:"status,omitempty"`
	// Repair says that Flux is asked to look at once.
	Repair bool `json:"repair,omitempty"`
}

// TestCases takes each testdata/*/input.yaml through its steps and compares with want.yaml beside it, and the values of
// conditions over time with what input.yaml itself says, which no flag rewrites.
func TestCases(t *testing.T) {
	t.Parallel()
	for _, c := range readCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			golden(t, filepath.Join("testdata", c.Name, "want.yaml"), play(t, c))
		})
	}
}

func play(t *testing.T, c statustest.Case) []outcome {
	t.Helper()
	var outcomes []outcome
	var now v1beta1.WorkspaceStatus
	values := history{}
	for _, step := range c.Steps {
		in := step.Input(now)
		next := status.Compute(in)
		for _, broken := range invariants(in, next) {
			t.Errorf("%s: %s", step.Name, broken)
		}
		router := slices.ContainsFunc(in.Routing.Routers, status.Router.NeedsRepair)
		outcomes = append(outcomes, difference(step, now, next, status.NeedsRepair(in) || router))
		now = next
		values.add(now)
		for condition, want := range step.Values {
			if diff := cmp.Diff(want, strings.Join(values[condition], " ")); diff != "" {
				t.Errorf("%s was, until %q (-want +got):\n%s", condition, step.Name, diff)
			}
		}
	}
	return outcomes
}

func readCases(tb testing.TB) []statustest.Case {
	tb.Helper()
	cases, err := statustest.Cases(os.DirFS("testdata"))
	if err != nil {
		tb.Fatal(err)
	}
	return cases
}

func golden(t *testing.T, path string, outcomes []outcome) {
	t.Helper()
	got, err := yaml.Marshal(outcomes)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func difference(step statustest.Step, before, after v1beta1.WorkspaceStatus, repair bool) outcome {
	o := outcome{Step: step.Name, Conditions: map[string]string{}, Repair: repair}
	then, now := sentences(before.Conditions), sentences(after.Conditions)
	for condition, sentence := range now {
		if then[condition] != sentence {
			o.Conditions[condition] = sentence
		}
	}
	for condition := range then {
		if _, ok := now[condition]; !ok {
			o.Conditions[condition] = "absent"
		}
	}
	before.Conditions, after.Conditions = nil, nil
	if !cmp.Equal(before, after) {
		o.Status = &after
	}
	return o
}

func sentences(conditions []metav1.Condition) map[string]string {
	all := map[string]string{}
	for _, c := range conditions {
		all[c.Type] = fmt.Sprintf("%s %s: %s", c.Status, c.Reason, c.Message)
	}
	return all
}

// history is the values that each condition had, one after the other; "-" while it is absent.
type history map[string][]string

func (h history) add(s v1beta1.WorkspaceStatus) {
	for _, conditionType := range conditionTypes() {
		value := "-"
		if c := meta.FindStatusCondition(s.Conditions, conditionType); c != nil {
			value = string(c.Status)
		}
		if values := h[conditionType]; len(values) == 0 || values[len(values)-1] != value {
			h[conditionType] = append(values, value)
		}
	}
}

func conditionTypes() []string {
	return slices.Concat([]string{
		v1beta1.ConditionReady, v1beta1.ConditionWorkspaceSucceeded, v1beta1.ConditionReconciling, v1beta1.ConditionStalled,
	}, parts())
}

// parts are the conditions that Ready sums up.
func parts() []string {
	return []string{
		v1beta1.ConditionResourceReady, v1beta1.ConditionInferenceReady, v1beta1.ConditionInferencePoolReady,
		v1beta1.ConditionRouteReady,
	}
}
