// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package preset

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// violation is one rule that a decoded entry breaks.
type violation struct{ key, message string }

// rule is one condition that must hold for the key.
type rule struct {
	holds   bool
	key     string
	message string
}

// maxNameLength keeps names usable as label values.
const maxNameLength = validation.LabelValueMaxLength

// violations returns what is wrong with a decoded entry, rule by rule.
func (p Preset) violations() []violation {
	var broken []violation
	for _, r := range slices.Concat(p.identityRules(), p.sizeRules(), p.attentionRules(), p.argumentRules()) {
		if !r.holds {
			broken = append(broken, violation{key: r.key, message: r.message})
		}
	}
	return broken
}

func (p Preset) identityRules() []rule {
	modelID := regexp.MustCompile(`^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$`)
	commit := regexp.MustCompile(`^[0-9a-f]{40}$`)
	rules := []rule{
		{validName(p.Name), "name", "want lower-case letters, digits, '-' and '.', at most 63 characters"},
		{modelID.MatchString(p.Model), "model", "want a Hugging Face id such as microsoft/phi-4"},
		{p.Revision == "" || commit.MatchString(p.Revision), "revision", "want a commit of 40 hexadecimal digits, or nothing"},
		{p.TokenSecret == TokenRecommended || p.TokenSecret == TokenRequired, "tokenSecret", "want recommended or required"},
		{!p.Gated || p.TokenSecret == TokenRequired, "tokenSecret", "a gated model needs tokenSecret: required"},
	}
	for _, alias := range p.Aliases {
		rules = append(rules, rule{validName(alias), "aliases", fmt.Sprintf("%q is not a valid name", alias)})
	}
	return rules
}

func (p Preset) sizeRules() []rule {
	dtypes := []string{"", "auto", "half", "float16", "bfloat16", "float", "float32"}
	return []rule{
		{p.WeightsSize > 0, "weightsSize", "want the size of the weights, such as 14.96Gi"},
		{p.Parameters >= 0, "parameters", "want a positive number"},
		{p.MaxContextLength > 0, "maxContextLength", "want a positive number of tokens"},
		{p.GPUs > 0, "gpus", "want at least 1"},
		{p.OverheadPerGPU > 0, "overheadPerGPU", "want a size above 0"},
		{p.Disk >= p.WeightsSize, "disk", "want at least the size of the weights"},
		{p.LoadTimeout > 0, "loadTimeout", "want a duration above 0"},
		{p.GPUs == 1 || p.TensorParallel, "gpus", "want 1, because tensorParallel is false"},
		{!p.MultiNode || p.TensorParallel, "multiNode", "want tensorParallel too"},
		{slices.Contains(dtypes, p.DType), "dtype", "want auto, float16, bfloat16 or float32"},
	}
}

func (p Preset) attentionRules() []rule {
	a := p.Attention
	rules := []rule{
		{a.Layers > 0, "attention.layers", "want a positive number"},
		{a.Heads > 0, "attention.heads", "want a positive number"},
		{a.Window >= 0, "attention.window", "want a positive number of tokens"},
	}
	if a.Latent != nil {
		rules = append(rules,
			rule{a.Latent.KVRank > 0, "attention.latent.kvRank", "want a positive number"},
			rule{a.Latent.RopeHeadDim >= 0, "attention.latent.ropeHeadDim", "want a positive number"},
			rule{a.KVHeads == 0 && a.HeadDim == 0, "attention.latent", "excludes kvHeads and headDim"},
		)
	} else {
		rules = append(rules,
			rule{a.KVHeads > 0, "attention.kvHeads", "want a positive number"},
			rule{a.HeadDim > 0, "attention.headDim", "want a positive number"},
			rule{a.KVHeads <= 0 || a.Heads%a.KVHeads == 0, "attention.kvHeads", "want a divisor of attention.heads"},
		)
	}
	want := a.BytesPerToken()
	mismatch := fmt.Sprintf("want %d, which is what attention gives, have %d", want, p.KVBytesPerToken)
	return append(rules, rule{p.KVBytesPerToken == want, "kvBytesPerToken", mismatch})
}

func (p Preset) argumentRules() []rule {
	word := regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)
	rules := []rule{
		{p.ToolCallParser == "" || word.MatchString(p.ToolCallParser), "toolCallParser", "want a parser's name, such as hermes"},
		{p.ReasoningParser == "" || word.MatchString(p.ReasoningParser), "reasoningParser", "want a parser's name, such as qwen3"},
		{!strings.ContainsAny(p.ChatTemplate, "\r\n"), "chatTemplate", "want a path, or a template on one line"},
	}
	for _, name := range sortedKeys(p.Args) {
		instead, taken := takenArgument(name)
		rules = append(rules,
			rule{word.MatchString(name), "args", fmt.Sprintf("%q is not an argument's name: write it without leading dashes", name)},
			rule{!taken, "args", fmt.Sprintf("%s is not accepted here: %s", name, instead)},
			rule{!strings.ContainsAny(p.Args[name], "\r\n\x00"), "args", name + ": want a value on one line"},
		)
	}
	return rules
}

// takenArgument says which vLLM arguments are not for args, because another
// field or the plan sets them. Two sources for one argument would contradict.
func takenArgument(name string) (string, bool) {
	switch strings.ReplaceAll(name, "_", "-") {
	case "dtype", "model", "revision":
		return "use the key " + name, true
	case "code-revision", "tokenizer-revision":
		return "use the key revision", true
	case "chat-template":
		return "use the key chatTemplate", true
	case "tool-call-parser":
		return "use the key toolCallParser", true
	case "enable-auto-tool-choice":
		return "it follows from toolCallParser", true
	case "reasoning-parser":
		return "use the key reasoningParser", true
	case "served-model-name", "max-model-len", "tensor-parallel-size", "pipeline-parallel-size", "nnodes", "node-rank",
		"master-addr", "headless", "distributed-executor-backend", "host", "port", "download-dir", "shutdown-timeout",
		"gpu-memory-utilization", "enable-lora", "max-loras", "max-lora-rank":
		return "the operator works it out", true
	default:
		return "", false
	}
}

// validName says whether name is a DNS subdomain that fits into a label's value.
func validName(name string) bool {
	return len(name) <= maxNameLength && len(validation.IsDNS1123Subdomain(name)) == 0
}
