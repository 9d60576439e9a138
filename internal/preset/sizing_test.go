// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package preset_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/workspace-operator/workspace-operator/internal/preset"
)

func TestAllowsTensorParallel(t *testing.T) {
	t.Parallel()
	catalogue := builtin(t)
	cases := map[string][]int{
		"phi-4":                     {1, 2, 5, 10, 20, 40},
		"phi-4-mini-instruct":       {1, 2, 4, 8, 24},
		"qwen2.5-coder-7b-instruct": {1, 2, 4, 28},
		"falcon-7b":                 {1},
		"llama-3.3-70b-instruct":    {1, 2, 4, 8, 16, 32, 64},
		"qwen3-235b-a22b":           {1, 2, 4, 8, 16, 32, 64},
		"deepseek-r1-0528":          {1, 2, 4, 8, 16, 32, 64},
	}
	for name, want := range cases {
		var got []int
		for size := range 65 {
			if lookup(t, catalogue, name).AllowsTensorParallel(size) {
				got = append(got, size)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, want -, got +:\n%s", name, diff)
		}
	}
}

func TestKVBytesPerTokenPerGPU(t *testing.T) {
	t.Parallel()
	catalogue := builtin(t)
	cases := map[string]map[int]int64{
		"llama-3.1-8b-instruct": {0: 131072, 1: 131072, 2: 65536, 8: 16384, 16: 16384},
		"deepseek-r1-0528":      {1: 70272, 8: 70272},
		"falcon-7b":             {1: 8192, 2: 8192},
		"qwen3-30b-a3b":         {4: 24576, 8: 24576},
	}
	for name, sizes := range cases {
		got := map[int]int64{}
		for size := range sizes {
			got[size] = lookup(t, catalogue, name).KVBytesPerTokenPerGPU(size)
		}
		if diff := cmp.Diff(sizes, got); diff != "" {
			t.Errorf("%s, want -, got +:\n%s", name, diff)
		}
	}
}

// However many GPUs there are, together they hold at least one whole cache, and
// more GPUs never mean a bigger share.
func TestSharesCoverTheCache(t *testing.T) {
	t.Parallel()
	catalogue := builtin(t)
	names := catalogue.Names()
	rapid.Check(t, func(r *rapid.T) {
		p := lookup(t, catalogue, rapid.SampledFrom(names).Draw(r, "preset"))
		size := rapid.IntRange(1, 64).Draw(r, "size")
		share := p.KVBytesPerTokenPerGPU(size)
		if share*int64(size) < p.KVBytesPerToken || share > p.KVBytesPerTokenPerGPU(max(1, size-1)) {
			r.Errorf("%s: %d of %d bytes on each of %d GPUs", p.Name, share, p.KVBytesPerToken, size)
		}
	})
}

func TestFlags(t *testing.T) {
	t.Parallel()
	catalogue, problems := preset.Catalogue{}.With(map[string]string{"a.yaml": minimal +
		"    dtype: bfloat16\n    toolCallParser: hermes\n    reasoningParser: qwen3\n    args: {enforce-eager: true, seed: 7}\n"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := []preset.Flag{
		{Name: "dtype", Value: "bfloat16"},
		{Name: "enable-auto-tool-choice"},
		{Name: "enforce-eager"},
		{Name: "reasoning-parser", Value: "qwen3"},
		{Name: "seed", Value: "7"},
		{Name: "tool-call-parser", Value: "hermes"},
	}
	if diff := cmp.Diff(want, lookup(t, catalogue, "my-model").Flags()); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if got := lookup(t, builtin(t), "phi-4").Flags(); !cmp.Equal(got, []preset.Flag{{Name: "dtype", Value: "float16"}}) {
		t.Errorf("phi-4: %v", got)
	}
}
