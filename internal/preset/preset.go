// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package preset holds the model catalogue: what each model weighs, how much
// KV cache a token costs, and which vLLM arguments it needs. Users extend the
// catalogue with documents of the same form.
package preset

import (
	"time"
)

// Preset is everything the operator knows about one model.
type Preset struct {
	// Name is what users write in inference.preset.name, and the served model name.
	Name string `yaml:"name"`
	// Aliases are further names that Lookup accepts.
	Aliases []string `yaml:"aliases"`

	// Model is the Hugging Face repository id.
	Model string `yaml:"model"`
	// Revision is the commit of weights, code and tokenizer; empty means the
	// repository's main branch, because no commit was verified.
	Revision string `yaml:"revision"`
	// Gated repositories need a token of somebody who accepted their licence.
	Gated bool `yaml:"gated"`
	// TokenSecret says whether a Hugging Face token is needed; required when
	// Gated, else recommended against download rate limits.
	TokenSecret TokenNeed `yaml:"tokenSecret"`

	// WeightsSize is the size of the safetensors files that vLLM loads.
	WeightsSize Bytes `yaml:"weightsSize"`
	// Parameters is the total parameter count, in thousands of millions.
	Parameters float64 `yaml:"parameters"`
	// KVBytesPerToken is the KV cache of one token over all layers of the whole
	// model; an upper bound where Attention.Window limits some layers.
	KVBytesPerToken int64 `yaml:"kvBytesPerToken"`
	// Attention are the facts that KVBytesPerToken follows from.
	Attention Attention `yaml:"attention"`
	// MaxContextLength is the longest context that the model was made for, in tokens.
	MaxContextLength int `yaml:"maxContextLength"`
	// DType is vLLM's --dtype; empty leaves the choice to the model's own config.
	DType string `yaml:"dtype"`

	// GPUs is how many GPUs of 80 GiB hold the model. It is used only when
	// nothing is known about the nodes.
	GPUs int `yaml:"gpus"`
	// OverheadPerGPU is what vLLM needs per GPU beside weights and KV cache.
	OverheadPerGPU Bytes `yaml:"overheadPerGPU"`
	// Disk is how much a weights cache of this model should hold.
	Disk Bytes `yaml:"disk"`
	// LoadTimeout is how long download and loading may take before a start
	// counts as failed.
	LoadTimeout Duration `yaml:"loadTimeout"`

	// MultiNode models may be split over several nodes by pipeline parallelism.
	MultiNode bool `yaml:"multiNode"`
	// TensorParallel models may be split over the GPUs of one node.
	TensorParallel bool `yaml:"tensorParallel"`
	// SupportsLoRA says that vLLM can load LoRA adapters for this model.
	SupportsLoRA bool `yaml:"supportsLoRA"`

	// ToolCallParser is vLLM's --tool-call-parser; it implies --enable-auto-tool-choice.
	ToolCallParser string `yaml:"toolCallParser"`
	// ReasoningParser is vLLM's --reasoning-parser.
	ReasoningParser string `yaml:"reasoningParser"`
	// ChatTemplate is vLLM's --chat-template: the path of a template inside the
	// vLLM image, or the template itself on one line. Empty means the model's own.
	ChatTemplate string `yaml:"chatTemplate"`
	// Args are further vLLM arguments without leading dashes; an empty value
	// (written as true) is a bare flag.
	Args Args `yaml:"args"`

	// Source says where the figures come from.
	Source string `yaml:"source"`
}

// Args are vLLM arguments by name, without leading dashes; an empty value is a bare flag.
type Args map[string]string

// TokenNeed says how much a model needs a Hugging Face token.
type TokenNeed string

// The values of Preset.TokenSecret.
const (
	TokenRecommended TokenNeed = "recommended"
	TokenRequired    TokenNeed = "required"
)

// Bytes is a size in bytes, written as a Kubernetes quantity ("14.96Gi").
type Bytes int64

// Duration is a time span, written as Go does ("45m").
type Duration time.Duration

// Attention describes the shape of a model's attention, as its config.json does.
type Attention struct {
	// Layers is the number of layers that keep a KV cache.
	Layers int `yaml:"layers"`
	// Heads is the number of query heads.
	Heads int `yaml:"heads"`
	// KVHeads is the number of key/value heads; unused with Latent.
	KVHeads int `yaml:"kvHeads"`
	// HeadDim is the size of one key/value head; unused with Latent.
	HeadDim int `yaml:"headDim"`
	// Latent is set for multi-head latent attention (MLA), whose cache is one
	// compressed vector per layer that every tensor-parallel GPU holds whole.
	Latent *Latent `yaml:"latent"`
	// Window is the sliding window or attention chunk, in tokens, of those layers
	// that have one; 0 if every layer attends to the full context.
	Window int `yaml:"window"`
}

// Latent holds the dimensions of multi-head latent attention.
type Latent struct {
	// KVRank is config.json's kv_lora_rank.
	KVRank int `yaml:"kvRank"`
	// RopeHeadDim is config.json's qk_rope_head_dim.
	RopeHeadDim int `yaml:"ropeHeadDim"`
}

// Flag is one argument of vLLM's command line; an empty Value makes it a bare flag.
type Flag struct {
	Name  string
	Value string
}
