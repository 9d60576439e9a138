// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package preset

import (
	"maps"
	"slices"
	"strings"
)

// bytesPerElement is the width of a cached key or value: 16-bit floats, unless
// the user asks for an FP8 cache, which halves the need.
const bytesPerElement = 2

// BytesPerToken is the KV cache of one token over all layers.
func (a Attention) BytesPerToken() int64 {
	if a.Latent != nil {
		return bytesPerElement * int64(a.Layers) * int64(a.Latent.KVRank+a.Latent.RopeHeadDim)
	}
	return 2 * bytesPerElement * int64(a.Layers) * int64(a.KVHeads) * int64(a.HeadDim)
}

// AllowsTensorParallel says whether vLLM starts this model with the given
// --tensor-parallel-size.
func (p Preset) AllowsTensorParallel(size int) bool {
	a := p.Attention
	switch {
	case size == 1:
		return true
	case size < 1, !p.TensorParallel, a.Heads%size != 0:
		return false
	case a.Latent != nil:
		return true
	default:
		return a.KVHeads%size == 0 || size%a.KVHeads == 0
	}
}

// KVBytesPerTokenPerGPU is the share of one token's cache that each of size
// tensor-parallel GPUs holds, for all layers. Beyond the number of KV heads, and
// with latent attention, more GPUs hold copies instead of smaller shares.
func (p Preset) KVBytesPerTokenPerGPU(size int) int64 {
	shards := 1
	if p.Attention.Latent == nil {
		shards = max(1, min(size, p.Attention.KVHeads))
	}
	return (p.KVBytesPerToken + int64(shards) - 1) / int64(shards)
}

// Flags are the vLLM arguments that belong to the model itself, sorted by name.
func (p Preset) Flags() []Flag {
	values := Args{}
	maps.Copy(values, p.Args)
	for name, value := range map[string]string{
		"dtype":            p.DType,
		"chat-template":    p.ChatTemplate,
		"tool-call-parser": p.ToolCallParser,
		"reasoning-parser": p.ReasoningParser,
	} {
		if value != "" {
			values[name] = value
		}
	}
	if p.ToolCallParser != "" {
		values["enable-auto-tool-choice"] = ""
	}
	flags := make([]Flag, 0, len(values))
	for name, value := range values {
		flags = append(flags, Flag{Name: name, Value: value})
	}
	slices.SortFunc(flags, func(a, b Flag) int { return strings.Compare(a.Name, b.Name) })
	return flags
}
