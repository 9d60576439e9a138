// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/workload"
)

// TestRefused breaks a sound plan in each way that would give objects which never serve.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sound  string
		broken func(*plan.Plan)
		want   string
	}{
		{"preset", func(p *plan.Plan) { p.Server = nil }, "neither a server nor a template"},
		{"preset", func(p *plan.Plan) { p.Template = &corev1.PodTemplateSpec{} }, "both a server and a template"},
		{"template", func(p *plan.Plan) { p.Topology.NodesPerReplica = 2 }, "a template cannot span several nodes"},
		{"preset", func(p *plan.Plan) { p.Topology.Replicas = -1 }, "negative replicas"},
		{"preset", func(p *plan.Plan) { p.Name = "" }, "no name or no namespace"},
		{"preset", func(p *plan.Plan) { p.Namespace = "" }, "no name or no namespace"},
		{"preset", func(p *plan.Plan) { p.Names.Workloads = nil }, "fewer workload names than workloads"},
		{"multi-node", func(p *plan.Plan) { p.Topology.Replicas = 3 }, "fewer workload names than workloads"},
		{"multi-node", func(p *plan.Plan) { p.Names.Workloads[1] = "" }, "an empty workload name"},
		{"multi-node-stopped", func(p *plan.Plan) { p.Names.Workloads = nil }, "fewer workload names than workloads"},
		{"preset", func(p *plan.Plan) { p.Names.Service = "" }, "a port without the name of a Service"},
		{"multi-node", func(p *plan.Plan) { p.Names.Headless = "" }, "several nodes without the name of a headless Service"},
		{"preset", func(p *plan.Plan) { p.Port = 0 }, "a server without a port"},
		{"preset", func(p *plan.Plan) { p.Server.Image = "" }, "a server without an image"},
		{"preset", func(p *plan.Plan) { p.Server.LoadTimeout = 0 }, "a server without a load timeout"},
		{"preset", func(p *plan.Plan) { p.Topology.ResourceName = "" }, "GPUs without the name of their resource"},
		{"preset", func(p *plan.Plan) { p.Server.Args[1] = "" }, "an empty argument"},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			p := readPlan(t, filepath.Join("testdata", c.sound, "plan.yaml"))
			c.broken(&p)
			w, err := workload.Render(p)
			if err == nil {
				t.Fatalf("rendered:\n%s", text(t, w))
			}
			if !strings.HasSuffix(err.Error(), ": "+c.want) {
				t.Fatalf("want %q, got %q", c.want, err)
			}
		})
	}
}

// TestScaleKeepsPods says that one more replica of a model over several nodes leaves the pods of the others alone.
func TestScaleKeepsPods(t *testing.T) {
	t.Parallel()
	p := readPlan(t, filepath.Join("testdata", "multi-node", "plan.yaml"))
	two, err := workload.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	p.Topology.Replicas = 1
	one, err := workload.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	if len(two.StatefulSets) != 2 || len(one.StatefulSets) != 1 {
		t.Fatalf("want 2 and 1 StatefulSets, got %d and %d", len(two.StatefulSets), len(one.StatefulSets))
	}
	if toJSON(t, two.StatefulSets[0]) != toJSON(t, one.StatefulSets[0]) {
		t.Error("the first StatefulSet depends on the number of replicas")
	}
	if one.Hash == two.Hash {
		t.Error("the hash of all StatefulSets does not depend on their number")
	}
}

func BenchmarkRender(b *testing.B) {
	for name, p := range cases(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := workload.Render(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
