// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/accelerator"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

var update = flag.Bool("update", false, "rewrite golden files")

func adapter(name, image string) v1beta1.AdapterSpec {
	return v1beta1.AdapterSpec{Source: &v1beta1.DataSource{Name: name, Image: image}}
}

// refusal is bad input; its name is the first column of the golden file.
type refusal struct {
	name, preset, instance, config string
	change                         func(*v1beta1.Workspace)
	nodes                          []plan.Node
}

func refusals() []refusal {
	const a100, phi = "Standard_NC24ads_A100_v4", "phi-4-mini-instruct"
	return []refusal{
		{name: "too small", preset: "falcon-7b", instance: "Standard_NC6s_v3"},
		{name: "too small, one node only", preset: "falcon-40b", instance: a100},
		{name: "too small on aws", preset: "qwen2.5-coder-32b-instruct", instance: "g5.xlarge"},
		{name: "context too long for the GPUs", preset: "qwen2.5-coder-32b-instruct", instance: a100, config: "vllm: {max-model-len: 32768}"},
		{name: "too small nodes", preset: "phi-4", nodes: []plan.Node{{Name: "gpu-1", Ready: true, Accelerator: nvidia(1, 24*gib)}}},
		{name: "AMD", preset: phi, instance: "Standard_NV32as_v4"},
		{name: "Trainium", preset: phi, instance: "trn1.2xlarge"},
		{name: "too old", preset: phi, instance: "Standard_NV6"},
		{name: "AMD nodes", preset: phi, nodes: []plan.Node{{
			Name: "amd-1", Ready: true,
			Accelerator: accelerator.Accelerator{Vendor: accelerator.VendorAMD, Model: "MI300X", Count: 8},
		}}},
		{name: "context above the limit", preset: "phi-4", instance: a100, config: "vllm:\n  max-model-len: 32768\n"},
		{name: "context that is no number", preset: phi, instance: a100, config: "vllm:\n  max-model-len: long\n"},
		{name: "context 0", preset: phi, instance: a100, config: "vllm:\n  max-model-len: 0\n"},
		{name: "utilization above 1", preset: phi, instance: a100, config: "vllm:\n  gpu-memory-utilization: 90\n"},
		{name: "utilization twice", preset: phi, instance: a100, config: "vllm:\n  gpu-memory-utilization: 0.9\n  device-memory-utilization: 0.8\n"},
		{name: "tensor parallel beyond the node", preset: phi, instance: a100, config: "# two GPUs\nvllm:\n  tensor-parallel-size: 2\n"},
		{name: "tensor parallel that heads forbid", preset: "phi-4", instance: "Standard_NC96ads_A100_v4", config: "vllm:\n  tensor_parallel_size: 4\n"},
		{name: "tool calls without parser", preset: "falcon-7b", instance: a100, config: "vllm:\n  enable-auto-tool-choice: true\n"},
		{name: "owned", preset: phi, instance: a100, config: "vllm:\n  dtype: float16\n  max-num-seqs: 64\n  port: 8000\n"},
		{
			name: "several mistakes", preset: phi, instance: a100,
			config: "vllm:\n  api-key: secret\n  ssl-keyfile: /k\n  data-parallel-size: 2\n  max-num-seq: 64\n  max-num-seqs: many\n",
		},
		{name: "unknown", preset: phi, instance: a100, config: "vllm:\n  gpu-memory-utilisation: 0.9\n"},
		{name: "unknown and like nothing", preset: phi, instance: a100, config: "vllm:\n  \"; rm -rf / #\": 1\n"},
		{name: "unknown at top", preset: phi, instance: a100, config: "max-model-len: 2048\n"},
		{name: "given twice", preset: phi, instance: a100, config: "vllm:\n  max-num-seqs: 1\n  max_num_seqs: 2\n"},
		{name: "a list", preset: phi, instance: a100, config: "vllm:\n  speculative-config:\n    method: ngram\n"},
		{name: "no value", preset: phi, instance: a100, config: "vllm:\n  max-num-seqs:\n"},
		{name: "no boolean", preset: phi, instance: a100, config: "vllm:\n  enable-prefix-caching: maybe\n"},
		{name: "no JSON", preset: phi, instance: a100, config: "vllm:\n  speculative-config: ngram\n"},
		{name: "no YAML", preset: phi, instance: a100, config: "vllm:\n  a: b: c\n"},
		{name: "no map", preset: phi, instance: a100, config: "- vllm\n"},
		{name: "transformers", preset: phi, instance: a100, change: func(ws *v1beta1.Workspace) {
			ws.Annotations = map[string]string{v1beta1.AnnotationRuntime: "transformers"}
		}},
		{name: "gated without token", preset: "llama-3.3-70b-instruct", instance: a100, change: func(ws *v1beta1.Workspace) {
			ws.Inference.Preset.PresetOptions.ModelAccessSecret = ""
		}},
		{name: "adapter without LoRA support", preset: "falcon-7b", instance: a100, change: adapters(adapter("a", "example/a"))},
		{name: "adapter named like the preset", preset: phi, instance: a100, change: adapters(adapter("a", "example/a"), adapter(phi, "example/a"))},
		{name: "adapter strength", preset: phi, instance: a100, change: func(ws *v1beta1.Workspace) {
			weak := adapter("a", "example/a")
			weak.Strength = new("0.2")
			adapters(weak)(ws)
		}},
		{
			name: "adapter urls", preset: phi, instance: a100,
			change: adapters(v1beta1.AdapterSpec{Source: &v1beta1.DataSource{Name: "a", URLs: []string{"https://example.com/a"}}}),
		},
		{name: "adapter without source", preset: phi, instance: a100, change: adapters(v1beta1.AdapterSpec{})},
		{name: "adapter without files", preset: phi, instance: a100, change: adapters(adapter("a", ""))},
		{name: "template without containers", change: func(ws *v1beta1.Workspace) {
			ws.Inference = &v1beta1.InferenceSpec{Template: &corev1.PodTemplateSpec{}}
		}},
		{name: "no inference", change: func(ws *v1beta1.Workspace) { ws.Inference = nil }},
	}
}

func adapters(all ...v1beta1.AdapterSpec) func(*v1beta1.Workspace) {
	return func(ws *v1beta1.Workspace) { ws.Inference.Adapters = all }
}

// TestRefusals compares reason and message of all bad input with testdata/refusals.golden.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var text strings.Builder
	for _, c := range refusals() {
		f := w.facts
		f.InferenceConfig, f.Nodes = c.config, c.nodes
		ws := workspace(c.preset, c.instance)
		if c.change != nil {
			c.change(ws)
		}
		var err error
		if c.preset == "" {
			_, err = plan.NewTemplate(ws, f)
		} else {
			_, err = plan.New(ws, w.preset(t, c.preset), f)
		}
		terminal, ok := errors.AsType[*outcome.Terminal](err)
		if !ok {
			t.Errorf("%s: error %v, want *outcome.Terminal", c.name, err)
			continue
		}
		if strings.ContainsAny(terminal.Error(), "\n\r") {
			t.Errorf("%s: message has several lines: %q", c.name, terminal.Error())
		}
		text.WriteString(c.name + "\n  " + terminal.Reason + ": " + terminal.Error() + "\n")
	}
	golden(t, filepath.Join("testdata", "refusals.golden"), text.String())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites):\n%s", path, diff)
	}
}
