// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/observe"
	"github.com/workspace-operator/workspace-operator/internal/status"
	"github.com/workspace-operator/workspace-operator/internal/status/statustest"
)

// runOf is a reconcile in the world of a step, of a Workspace with the status of before.
func runOf(s statustest.Step, before v1beta1.WorkspaceStatus) *run {
	in := s.Input(before)
	return &run{
		Reconciler: &Reconciler{statuses: newStatusWriter(nil, nil, nil), prober: newProber()},
		ws:         &v1beta1.Workspace{Status: before}, now: time.Now(),
		plan: *in.Plan, shape: in.Shape, nodes: in.Nodes, routing: in.Routing, children: observe.Children{Children: in.Children},
	}
}

// steps are those of one of the cases that status is tested with.
func steps(t *testing.T, name string) []statustest.Step {
	t.Helper()
	cases, err := statustest.Cases(os.DirFS(filepath.Join("..", "status", "testdata")))
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(cases, func(c statustest.Case) bool { return c.Name == name })
	if at < 0 {
		t.Fatalf("no case %s", name)
	}
	return cases[at].Steps
}

// TestAnswerStays: Flux that looks at its release again, with Ready Unknown meanwhile, is no reason to ask anew, nor to
// forget what was found out.
func TestAnswerStays(t *testing.T) {
	t.Parallel()
	var before v1beta1.WorkspaceStatus
	var first string
	for _, step := range steps(t, "route-flux-looks") {
		r := runOf(step, before)
		if err := r.prove(t.Context()); err != nil {
			t.Fatal(err)
		}
		q := r.prober.asked[types.NamespacedName{}]
		if q == nil {
			t.Fatalf("%s: nothing is asked", step.Name)
		}
		if first == "" {
			first = q.state
		}
		if q.state != first {
			t.Errorf("%s: another question: %s, before %s", step.Name, q.state, first)
		}
		before = status.Compute(step.Input(before))
	}
}

// TestQuestion: what makes the way of requests another is another question, and the order of a cache is not.
func TestQuestion(t *testing.T) {
	t.Parallel()
	pod := func(uid string, ready bool, restarts int32) *corev1.Pod {
		p := &corev1.Pod{}
		p.UID = types.UID(uid)
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "epp", Ready: ready, RestartCount: restarts}}
		return p
	}
	proved := steps(t, "route-proof")[0]
	ask := func(pods ...*corev1.Pod) string {
		r := runOf(proved, v1beta1.WorkspaceStatus{})
		r.children.EPPPods = pods
		gates, ok := r.gates()
		if !ok {
			t.Fatal("no Gateway can be asked")
		}
		return r.state(gates)
	}
	two := ask(pod("a", true, 0), pod("b", true, 0))
	for name, c := range map[string]struct {
		question string
		same     bool
	}{
		"in another order": {ask(pod("b", true, 0), pod("a", true, 0)), true},
		"one is gone":      {ask(pod("b", true, 0)), false},
		"another one":      {ask(pod("c", true, 0), pod("a", true, 0)), false},
		"one restarts":     {ask(pod("a", false, 0), pod("b", true, 0)), false},
		"one restarted":    {ask(pod("a", true, 0), pod("b", true, 1)), false},
	} {
		if (c.question == two) != c.same {
			t.Errorf("%s: the same question: %v, want %v", name, !c.same, c.same)
		}
	}
}
