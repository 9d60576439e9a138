// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package preset_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
)

// row is what the plan needs of a KAITO v0.7 preset.
type row struct {
	Weights, Disk  string
	KV             int64
	Limit          int
	TensorParallel bool
	LoRA           bool
	MultiNode      bool
}

// kaitoPresets are all 24 of KAITO v0.7.2, with its figures where they are right.
// Corrected: KV of deepseek-r1-0528 and -v3-0324 (MLA), gpt-oss (head_dim 64) and
// falcon-40b (8 KV heads of 64), weights of gpt-oss-20b, no LoRA for falcon-40b.
func kaitoPresets() map[string]row {
	return map[string]row{
		"deepseek-r1-distill-llama-8b": {"14.96Gi", "90Gi", 131072, 131072, true, true, false},
		"deepseek-r1-distill-qwen-14b": {"27.51Gi", "120Gi", 196608, 131072, true, true, false},
		"deepseek-r1-0528":             {"641.3Gi", "800Gi", 70272, 163840, true, true, true},
		"deepseek-v3-0324":             {"641.3Gi", "800Gi", 70272, 163840, true, true, true},
		"falcon-7b":                    {"13.44Gi", "90Gi", 8192, 2048, false, false, false},
		"falcon-7b-instruct":           {"13.44Gi", "90Gi", 8192, 2048, false, false, false},
		"falcon-40b":                   {"77.9Gi", "280Gi", 122880, 2048, true, false, false},
		"falcon-40b-instruct":          {"77.9Gi", "280Gi", 122880, 2048, true, false, false},
		"gpt-oss-20b":                  {"12.8Gi", "110Gi", 49152, 131072, true, true, false},
		"gpt-oss-120b":                 {"60.77Gi", "250Gi", 73728, 131072, true, true, false},
		"llama-3.1-8b-instruct":        {"14.96Gi", "110Gi", 131072, 131072, true, true, true},
		"llama-3.3-70b-instruct":       {"131.42Gi", "220Gi", 327680, 131072, true, true, true},
		"mistral-7b":                   {"13.49Gi", "90Gi", 131072, 32768, true, true, false},
		"mistral-7b-instruct":          {"13.49Gi", "90Gi", 131072, 32768, true, true, false},
		"phi-2":                        {"5.18Gi", "80Gi", 327680, 2048, true, true, false},
		"phi-3-mini-4k-instruct":       {"7.12Gi", "80Gi", 393216, 4096, true, true, false},
		"phi-3-mini-128k-instruct":     {"7.12Gi", "80Gi", 393216, 131072, true, true, false},
		"phi-3.5-mini-instruct":        {"7.12Gi", "70Gi", 393216, 131072, true, true, false},
		"phi-3-medium-4k-instruct":     {"26Gi", "120Gi", 204800, 4096, true, true, false},
		"phi-3-medium-128k-instruct":   {"26Gi", "120Gi", 204800, 131072, true, true, false},
		"phi-4":                        {"27.31Gi", "150Gi", 204800, 16384, true, true, false},
		"phi-4-mini-instruct":          {"7.15Gi", "70Gi", 131072, 131072, true, true, false},
		"qwen2.5-coder-7b-instruct":    {"14.19Gi", "110Gi", 57344, 32768, true, true, false},
		"qwen2.5-coder-32b-instruct":   {"61.03Gi", "230Gi", 262144, 32768, true, true, false},
	}
}

func TestKAITOPresets(t *testing.T) {
	t.Parallel()
	if len(kaitoPresets()) != 24 {
		t.Fatalf("the table has %d rows, KAITO v0.7 has 24 presets", len(kaitoPresets()))
	}
	catalogue := builtin(t)
	for name, want := range kaitoPresets() {
		p := lookup(t, catalogue, name)
		weights, disk := resource.MustParse(want.Weights), resource.MustParse(want.Disk)
		got := row{want.Weights, want.Disk, p.KVBytesPerToken, p.MaxContextLength, p.TensorParallel, p.SupportsLoRA, p.MultiNode}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, want -, got +:\n%s", name, diff)
		}
		if diff := cmp.Diff([]int64{weights.Value(), disk.Value()}, []int64{int64(p.WeightsSize), int64(p.Disk)}); diff != "" {
			t.Errorf("%s: weights and disk, want -, got +:\n%s", name, diff)
		}
		if p.Name != name {
			t.Errorf("%s is served as %s", name, p.Name)
		}
	}
}
