// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	gocmp "cmp"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/internal/accelerator"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/preset"
)

// shape is what the worked examples state: nodes × tensor parallel size, and the context length (0: left to vLLM).
type shape struct {
	Nodes, TensorParallel, MaxModelLen int32
}

// TestWorkedExamples has the node counts that KAITO v0.7 computes for these pairs (its estimator's worked values). Context
// lengths of several nodes are longer than KAITO's, which multiplies the cache by the stages; gpt-oss-120b's is shorter,
// because its cache is larger than KAITO states.
func TestWorkedExamples(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		preset, instance, config string
		want                     shape
	}{
		{"phi-4-mini-instruct", "Standard_NC24ads_A100_v4", "", shape{1, 1, 131072}},
		{"llama-3.1-8b-instruct", "Standard_NC24ads_A100_v4", "", shape{1, 1, 131072}},
		{"llama-3.1-8b-instruct", "Standard_NC4as_T4_v3", "", shape{2, 1, 57344}},
		{"llama-3.3-70b-instruct", "Standard_NC24ads_A100_v4", "", shape{3, 1, 131072}},
		{"llama-3.3-70b-instruct", "standard_nc24ads_a100_v4", "", shape{3, 1, 131072}},
		{"llama-3.3-70b-instruct", "Standard_NC48ads_A100_v4", "", shape{2, 2, 131072}},
		{"llama-3.3-70b-instruct", "Standard_NC48ads_A100_v4", "vllm: {max-model-len: 16384}", shape{2, 2, 16384}},
		{"llama-3.3-70b-instruct", "Standard_NC96ads_A100_v4", "", shape{1, 4, 131072}},
		{"deepseek-r1-0528", "Standard_NC80adis_H100_v5", "", shape{5, 2, 163840}},
		{"deepseek-r1-0528", "Standard_NC80adis_H100_v5", "vllm: {max-model-len: 163840, gpu-memory-utilization: 0.95}", shape{5, 2, 163840}},
		{"deepseek-r1-0528", "Standard_ND96isr_H100_v5", "", shape{2, 8, 163840}},
		{"deepseek-r1-0528", "Standard_ND96isr_H200_v5", "", shape{1, 8, 163840}},
		{"gpt-oss-120b", "Standard_NC24ads_A100_v4", "", shape{1, 1, 42240}},
		{"qwen2.5-coder-32b-instruct", "Standard_NC24ads_A100_v4", "", shape{1, 1, 10752}},
		{"deepseek-r1-distill-llama-8b", "Standard_NV36ads_A10_v5", "", shape{1, 1, 21248}},
		{"falcon-40b", "Standard_NC48ads_A100_v4", "", shape{1, 2, 2048}},
		// 71 heads cannot be divided; the other three GPUs are not asked for.
		{"falcon-7b", "Standard_NC96ads_A100_v4", "", shape{1, 1, 2048}},
		// 10 KV heads allow 2 and 5; but the vocabulary cannot be divided by 5.
		{"phi-4", "Standard_NC96ads_A100_v4", "", shape{1, 2, 16384}},
		{"phi-4", "Standard_ND96amsr_A100_v4", "", shape{1, 2, 16384}},
		// 28 heads cannot be divided by 8.
		{"qwen2.5-coder-7b-instruct", "Standard_ND96amsr_A100_v4", "", shape{1, 4, 32768}},
		{"phi-4-mini-instruct", "Standard_NC96ads_A100_v4", "vllm: {tensor-parallel-size: 2}", shape{1, 2, 131072}},
		// An 8-bit cache doubles the context, weights in main memory make room.
		{"qwen2.5-coder-32b-instruct", "Standard_NC24ads_A100_v4", "vllm: {kv-cache-dtype: fp8}", shape{1, 1, 21504}},
		{"qwen2.5-coder-32b-instruct", "Standard_NC24ads_A100_v4", "vllm: {cpu-offload-gb: 10}", shape{1, 1, 32768}},
		// A longer context than one node offers takes another node.
		{"llama-3.1-8b-instruct", "Standard_NV36ads_A10_v5", "vllm: {max-model-len: 16k}", shape{1, 1, 16000}},
		{"llama-3.1-8b-instruct", "Standard_NV36ads_A10_v5", "vllm: {max-model-len: 64K}", shape{2, 1, 65536}},
		{"llama-3.1-8b-instruct", "Standard_NV36ads_A10_v5", "vllm: {max-model-len: auto}", shape{1, 1, 21248}},
	} {
		f := w.facts
		f.InferenceConfig = c.config
		got, err := plan.New(workspace(c.preset, c.instance), w.preset(t, c.preset), f)
		if err != nil {
			t.Errorf("%s on %s: %v", c.preset, c.instance, err)
			continue
		}
		topology := got.Topology
		if diff := cmp.Diff(c.want, shape{topology.NodesPerReplica, topology.TensorParallel, topology.MaxModelLen}); diff != "" {
			t.Errorf("%s on %s %s (-want +got):\n%s", c.preset, c.instance, c.config, diff)
		}
	}
}

// TestNodes covers where GPU facts come from.
func TestNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	node := func(name string, ready bool, a accelerator.Accelerator) plan.Node {
		return plan.Node{Name: name, Ready: ready, Accelerator: a}
	}
	small, large := nvidia(1, 24*gib), nvidia(8, 80*gib)
	slice := accelerator.Accelerator{
		Vendor: accelerator.VendorNVIDIA, Count: 2, MemoryPerGPU: 40 * gib, ResourceName: "nvidia.com/mig-3g.40gb", Partitioned: true,
	}
	for _, c := range []struct {
		name, instance string
		preferred      []string
		nodes          []plan.Node
		want           shape
		resource       string
	}{
		{name: "the table outweighs nodes", instance: "Standard_NC24ads_A100_v4", nodes: []plan.Node{node("a", true, small)}, want: shape{1, 1, 131072}},
		{name: "an unknown type leaves it to the nodes", instance: "n1-custom", nodes: []plan.Node{node("a", true, small)}, want: shape{1, 1, 21248}},
		{name: "no type", nodes: []plan.Node{node("a", true, large)}, want: shape{1, 8, 131072}},
		{name: "the smallest of several", nodes: []plan.Node{node("a", true, large), node("b", true, small)}, want: shape{1, 1, 21248}},
		{name: "Ready nodes first", nodes: []plan.Node{node("a", true, large), node("b", false, small)}, want: shape{1, 8, 131072}},
		{name: "none Ready", nodes: []plan.Node{node("a", false, large), node("b", false, small)}, want: shape{1, 1, 21248}},
		{name: "nodes without GPUs do not count", nodes: []plan.Node{node("a", true, accelerator.Accelerator{}), node("b", true, large)}, want: shape{1, 8, 131072}},
		{name: "named nodes outweigh the type", instance: "Standard_NC24ads_A100_v4", preferred: []string{"b"}, nodes: []plan.Node{node("a", true, large), node("b", true, small)}, want: shape{1, 1, 21248}},
		{name: "named nodes that are not there", instance: "Standard_NC24ads_A100_v4", preferred: []string{"c"}, nodes: []plan.Node{node("a", true, large)}, want: shape{1, 1, 0}},
		{name: "nothing known", instance: "n1-custom", want: shape{1, 1, 0}},
		{name: "memory unknown", nodes: []plan.Node{node("a", true, nvidia(4, 0))}, want: shape{1, 4, 0}},
		{name: "slices are not combined", nodes: []plan.Node{node("a", true, slice)}, want: shape{1, 1, 131072}, resource: "nvidia.com/mig-3g.40gb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := w.facts
			f.Nodes = c.nodes
			ws := workspace("llama-3.1-8b-instruct", c.instance)
			ws.Resource.PreferredNodes = c.preferred
			got, err := plan.New(ws, w.preset(t, "llama-3.1-8b-instruct"), f)
			if err != nil {
				t.Fatal(err)
			}
			if want := gocmp.Or(c.resource, accelerator.NVIDIAResource); got.Topology.ResourceName != want {
				t.Errorf("resource %s, want %s", got.Topology.ResourceName, want)
			}
			topology := got.Topology
			if diff := cmp.Diff(c.want, shape{topology.NodesPerReplica, topology.TensorParallel, topology.MaxModelLen}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestEveryPair plans every preset on every instance type. What a plan says must be true by a second calculation.
func TestEveryPair(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	planned := 0
	for _, name := range w.catalogue.Names() {
		p := w.preset(t, name)
		for _, instance := range w.facts.Instances.Names() {
			got, err := plan.New(workspace(name, instance), p, w.facts)
			if err == nil {
				planned++
				a, _ := w.facts.Instances.Lookup(instance)
				err = contradiction(got, p, a.Accelerator)
			} else if terminal, ok := errors.AsType[*outcome.Terminal](err); ok && terminal.Reason != "" && terminal.Error() != "" {
				err = nil
			}
			if err != nil {
				t.Errorf("%s on %s: %v", name, instance, err)
			}
		}
	}
	if planned < 1000 {
		t.Errorf("only %d pairs fit: the test shows too little", planned)
	}
}

// contradiction says what of a plan cannot be true on nodes that offer a.
func contradiction(got plan.Plan, p preset.Preset, a accelerator.Accelerator) error {
	topology := got.Topology
	tensor, stages, length := int(topology.TensorParallel), int(topology.PipelineParallel), int(topology.MaxModelLen)
	layers := float64((p.Attention.Layers+stages-1)/stages) / float64(p.Attention.Layers)
	used := 1.02*float64(p.WeightsSize)*layers/float64(tensor) + float64(p.OverheadPerGPU) +
		float64(p.KVBytesPerTokenPerGPU(tensor))*layers*float64(length)
	switch {
	case used > 0.84*float64(a.MemoryPerGPU)+1:
		return fmt.Errorf("%+v uses %.0f of %d bytes", topology, used, a.MemoryPerGPU)
	case length < 1 || length > p.MaxContextLength:
		return fmt.Errorf("max-model-len %d, limit %d", length, p.MaxContextLength)
	case !p.AllowsTensorParallel(tensor) || tensor > a.Count || topology.GPUsPerPod != topology.TensorParallel:
		return fmt.Errorf("%+v of %d GPUs", topology, a.Count)
	case stages > 1 && !p.MultiNode, stages > p.Attention.Layers, topology.NodesPerReplica != topology.PipelineParallel:
		return fmt.Errorf("%+v for %d layers", topology, p.Attention.Layers)
	case len(got.Names.Workloads) != 1:
		return fmt.Errorf("workloads %v", got.Names.Workloads)
	default:
		return nil
	}
}

func TestReplicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for replicas, sets := range map[int32]int{0: 1, 1: 1, 3: 3, 1000: 1000} {
		ws := workspace("llama-3.3-70b-instruct", "Standard_NC24ads_A100_v4")
		ws.Inference.Replicas = new(replicas)
		got, err := plan.New(ws, w.preset(t, "llama-3.3-70b-instruct"), w.facts)
		if err != nil {
			t.Fatal(err)
		}
		if got.Topology.Replicas != replicas || got.Topology.Nodes() != 3*replicas || len(got.Names.Workloads) != sets {
			t.Errorf("%d replicas: %+v, %d workloads", replicas, got.Topology, len(got.Names.Workloads))
		}
	}
}

func BenchmarkNew(b *testing.B) {
	w := newWorld(b)
	p := w.preset(b, "llama-3.3-70b-instruct")
	ws := workspace("llama-3.3-70b-instruct", "Standard_NC24ads_A100_v4")
	ws.Inference.Config = "config"
	f := w.facts
	f.InferenceConfig = "vllm:\n  max-model-len: 16384\n  gpu-memory-utilization: 0.9\n  enable-prefix-caching: true\n"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := plan.New(ws, p, f); err != nil {
			b.Fatal(err)
		}
	}
}
