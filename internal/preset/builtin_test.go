// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package preset_test

import (
	"math"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/internal/preset"
)

// toolParsers are some that vLLM registers under vllm/tool_parsers. A name that
// vLLM does not know makes it exit at start.
func toolParsers() []string {
	return []string{
		"deepseek_v3", "deepseek_v31", "deepseek_v32", "glm45", "granite", "granite-20b-fc", "hermes", "internlm", "jamba",
		"kimi_k2", "llama3_json", "llama4_json", "llama4_pythonic", "mistral", "openai", "phi4_mini_json", "pythonic",
		"qwen3_coder", "qwen3_xml", "xlam",
	}
}

// reasoningParsers are some that vLLM registers under vllm/reasoning.
func reasoningParsers() []string {
	return []string{"deepseek_r1", "deepseek_v3", "glm45", "granite", "mistral", "openai_gptoss", "qwen3"}
}

// imageTemplates are some that vLLM keeps in examples/, which its image has under /vllm-workspace.
func imageTemplates() []string {
	return []string{
		"tool_chat_template_deepseekr1.jinja", "tool_chat_template_deepseekv3.jinja", "tool_chat_template_deepseekv31.jinja",
		"tool_chat_template_llama3.1_json.jinja", "tool_chat_template_llama3.2_json.jinja",
		"tool_chat_template_llama4_pythonic.jinja", "tool_chat_template_phi4_mini.jinja",
	}
}

// quantized weights take less than two bytes per parameter.
func quantized() map[string]float64 {
	return map[string]float64{
		"deepseek-r1-0528": 1.006, "deepseek-v3-0324": 1.006, "deepseek-v3.1": 1.006,
		"gpt-oss-20b": 0.657, "gpt-oss-120b": 0.559,
		"ministral-3-8b-instruct": 1.168, "ministral-3-14b-instruct": 1.128,
	}
}

func TestEveryBuiltin(t *testing.T) {
	t.Parallel()
	catalogue := builtin(t)
	for _, name := range catalogue.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkIdentity(t, lookup(t, catalogue, name))
			checkSizes(t, lookup(t, catalogue, name))
			checkArguments(t, lookup(t, catalogue, name))
		})
	}
}

func checkIdentity(t *testing.T, p preset.Preset) {
	t.Helper()
	if !regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`).MatchString(p.Name) {
		t.Errorf("name %q does not fit into a label", p.Name)
	}
	if p.Source == "" {
		t.Error("no source")
	}
	vendor, _, _ := strings.Cut(p.Model, "/")
	if p.Gated != slices.Contains([]string{"meta-llama", "google"}, vendor) {
		t.Errorf("gated: %t", p.Gated)
	}
}

func checkSizes(t *testing.T, p preset.Preset) {
	t.Helper()
	// Spelled out here a second time, so that a mistake in BytesPerToken shows.
	a := p.Attention
	kv := 2 * a.Layers * a.KVHeads * a.HeadDim * 2
	if a.Latent != nil {
		kv = a.Layers * (a.Latent.KVRank + a.Latent.RopeHeadDim) * 2
	}
	if diff := cmp.Diff(int64(kv), p.KVBytesPerToken); diff != "" {
		t.Errorf("KV bytes per token, want -, got +:\n%s", diff)
	}
	perParameter, known := quantized()[p.Name]
	if !known {
		perParameter = 2
	}
	if got := float64(p.WeightsSize) / (p.Parameters * 1e9); math.Abs(got-perParameter) > 0.02*perParameter {
		t.Errorf("%.3f bytes per parameter, want %.3f", got, perParameter)
	}
	if p.MaxContextLength < 2048 || p.MaxContextLength%1024 != 0 {
		t.Errorf("context length %d", p.MaxContextLength)
	}
	// 0.84 of 80 GiB is what KAITO lets vLLM use.
	const usable = 0.84 * 80 * (1 << 30)
	perGPU := usable - float64(p.OverheadPerGPU)
	need := int(math.Ceil(1.02 * float64(p.WeightsSize) / perGPU))
	if p.GPUs < need || p.GPUs >= 2*need && p.GPUs > 1 || !p.AllowsTensorParallel(min(p.GPUs, 8)) {
		t.Errorf("gpus: %d, the weights need %d", p.GPUs, need)
	}
	if p.GPUs > 8 && !p.MultiNode {
		t.Errorf("%d GPUs without multiNode", p.GPUs)
	}
	if p.LoadTimeout.Std().Hours() > 6 || p.LoadTimeout.Std().Minutes() < 30 {
		t.Errorf("load timeout %s", p.LoadTimeout.Std())
	}
}

func checkArguments(t *testing.T, p preset.Preset) {
	t.Helper()
	if p.ToolCallParser != "" && !slices.Contains(toolParsers(), p.ToolCallParser) {
		t.Errorf("vLLM does not know the tool parser %s", p.ToolCallParser)
	}
	if p.ReasoningParser != "" && !slices.Contains(reasoningParsers(), p.ReasoningParser) {
		t.Errorf("vLLM does not know the reasoning parser %s", p.ReasoningParser)
	}
	inline := strings.HasPrefix(p.ChatTemplate, "{%-") && strings.HasSuffix(p.ChatTemplate, "-%}")
	folder, file := path.Split(p.ChatTemplate)
	inImage := folder == "/vllm-workspace/examples/" && slices.Contains(imageTemplates(), file)
	if p.ChatTemplate != "" && !inline && !inImage {
		t.Errorf("the stock image has no template %s", p.ChatTemplate)
	}
	if p.Args["tokenizer-mode"] == "mistral" && p.ChatTemplate != "" {
		t.Error("mistral-common takes no chat template")
	}
}

func TestCurrentModels(t *testing.T) {
	t.Parallel()
	names := builtin(t).Names()
	if current := len(names) - len(kaitoPresets()); current < 12 {
		t.Errorf("%d current models beside KAITO's, want at least 12", current)
	}
	for _, name := range names {
		_, fromKAITO := kaitoPresets()[name]
		if fromKAITO && lookup(t, builtin(t), name).Revision == "" {
			t.Errorf("%s lost KAITO's revision", name)
		}
	}
}
