// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// heldCase is what happens to the nodes of a Workspace, or to it.
type heldCase struct {
	first, then []plan.Node
	instance    string
	serves      bool
	change      func(*v1beta1.Workspace)
	// stays: nothing of the pods changes.
	stays bool
}

// TestHeld plans again after something happened to the nodes: each case says whether the pods stay as they are.
func TestHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const card = 24 * gib
	two := []plan.Node{{Name: "a", Ready: true, Accelerator: nvidia(2, card)}}
	for name, c := range map[string]heldCase{
		"all nodes vanish":                   {first: two, stays: true},
		"and it serves":                      {first: two, serves: true, stays: true},
		"device plugin restarts":             {first: two, then: []plan.Node{{Name: "a", Ready: true}}, stays: true},
		"labels vanish, it serves":           {first: two, then: []plan.Node{{Name: "a", Ready: true, Accelerator: nvidia(2, 0)}}, serves: true, stays: true},
		"not Ready":                          {first: two, then: []plan.Node{{Name: "a", Accelerator: nvidia(2, card)}}, stays: true},
		"a smaller node joins":               {first: two, then: append([]plan.Node{{Name: "0", Ready: true, Accelerator: nvidia(1, card)}}, two...), stays: true},
		"only larger nodes are left":         {first: two, then: []plan.Node{{Name: "b", Ready: true, Accelerator: nvidia(4, 2*card)}}, stays: true},
		"only smaller ones, while it serves": {first: two, then: []plan.Node{{Name: "b", Ready: true, Accelerator: nvidia(1, card)}}, serves: true, stays: true},
		"only smaller ones":                  {first: two, then: []plan.Node{{Name: "b", Ready: true, Accelerator: nvidia(1, card)}}},
		"the first nodes come":               {then: two},
		"they come, and it serves by luck":   {then: two, serves: true, stays: true},
		"another resource": {first: two, serves: true, change: func(ws *v1beta1.Workspace) {
			ws.Resource.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"pool": "other"}}
		}},
		"an instance type that is known": {first: two, serves: true, change: func(ws *v1beta1.Workspace) {
			ws.Resource.InstanceType = "Standard_NC24ads_A100_v4"
		}},
		"the number of nodes": {first: two, change: func(ws *v1beta1.Workspace) { ws.Resource.Count = new(int32(7)) }, stays: true},
		"known instance type": {first: two, instance: "Standard_NC24ads_A100_v4", stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t, w)
		})
	}
}

func (c heldCase) run(t *testing.T, w world) {
	t.Helper()
	ws := workspace("phi-4-mini-instruct", "on-premises")
	if c.instance != "" {
		ws.Resource.InstanceType = c.instance
	}
	facts := w.facts
	facts.Nodes = c.first
	before := planOf(t, w, ws, facts)
	if held := heldBy(before); (len(held) > 0) != (c.instance == "") {
		t.Fatalf("held is %q", before.PlannedFor)
	}
	if c.change != nil {
		c.change(ws)
	}
	facts.Nodes, facts.Held, facts.Serves = c.then, heldBy(before), c.serves
	after := planOf(t, w, ws, facts)
	if stays := cmp.Equal(before.Topology, after.Topology) && before.PlannedFor == after.PlannedFor; stays != c.stays {
		t.Errorf("stays: %v, topology (-before +after):\n%s", stays, cmp.Diff(before.Topology, after.Topology))
	}
	facts.Held = heldBy(after)
	if diff := cmp.Diff(after, planOf(t, w, ws, facts)); diff != "" {
		t.Errorf("the plan changes again:\n%s", diff)
	}
}

func heldBy(p plan.Plan) []plan.Held {
	if held, ok := plan.ParseHeld(p.PlannedFor); ok {
		return []plan.Held{held}
	}
	return nil
}

// TestParseHeld: whatever somebody wrote there is planned for anew.
func TestParseHeld(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", "{}", "null", `{"gpus":{"Count":1}}`, `{"gpus":{"Count":-1,"ResourceName":"nvidia.com/gpu"}}`, `[]`} {
		if held, ok := plan.ParseHeld(text); ok {
			t.Errorf("%q is taken for %+v", text, held)
		}
	}
}
