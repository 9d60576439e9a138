// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"

	"github.com/workspace-operator/workspace-operator/internal/accelerator"
	"github.com/workspace-operator/workspace-operator/internal/preset"
)

const (
	gibibyte = 1 << 30

	// defaultUtilization is KAITO's share of GPU memory for vLLM. vLLM's own 0.90 (since raised) would squeeze
	// llama-3.3-70b onto two A100 with 2.7 GiB to spare, of which the driver takes its part.
	defaultUtilization = 0.84
	// weightsFactor allows for alignment and buffers that are not in the weights' files, as KAITO does.
	weightsFactor = 1.02
	// minimumContext is the context that a plan must hold when the user asks for none. It is KAITO's figure; who needs
	// more says so with max-model-len, and gets more nodes for it.
	minimumContext = 2048
	// contextStep keeps context lengths multiples of any of vLLM's block sizes.
	contextStep = 256
	// largestNode is the number of GPUs of the largest common node, assumed when no node is known.
	largestNode = 8
	// adapterShare is what a LoRA adapter of rank 16 on all linear layers adds to the weights: 42 of 8030 million
	// parameters for a Llama of 8B, rounded up.
	adapterShare, adapterRank = 0.006, 16
)

// demand is what one copy of the model needs.
type demand struct {
	preset preset.Preset
	// context is the length that must fit, in tokens; 0 when the user asks for none.
	context int
	// utilization is the share of each GPU's memory that vLLM may use.
	utilization float64
	// tensorParallel is the user's choice; 0 leaves it to the plan.
	tensorParallel int
	// halfCache says that the KV cache has 8 instead of 16 bits.
	halfCache bool
	// offload is how much of the weights each GPU leaves in main memory, in bytes.
	offload int64
	// adapters and rank say how many LoRA adapters of which rank are held at the same time.
	adapters, rank int
}

// split is how a copy of the model is cut: over the GPUs of a node, and over nodes.
type split struct{ tensor, stages int }

// wanted is the context length that must fit.
func (d demand) wanted() int {
	if d.context > 0 {
		return d.context
	}
	return min(d.preset.MaxContextLength, minimumContext)
}

// stageShare is the part of all layers that the fullest of so many stages holds: layers are not divisible.
func (d demand) stageShare(stages int) float64 {
	layers := max(1, d.preset.Attention.Layers)
	return float64((layers+stages-1)/stages) / float64(layers)
}

// weights is what the weights and adapters occupy of each GPU, in bytes.
func (d demand) weights(s split) int64 {
	adapters := adapterShare * float64(d.adapters) * float64(d.rank) / adapterRank
	whole := float64(d.preset.WeightsSize) * (weightsFactor + adapters)
	return max(0, int64(whole*d.stageShare(s.stages)/float64(s.tensor))-d.offload)
}

// fixed is what each GPU needs before the first token, in bytes.
func (d demand) fixed(s split) int64 { return d.weights(s) + int64(d.preset.OverheadPerGPU) }

// cachePerToken is the KV cache of one token on each GPU, in bytes.
func (d demand) cachePerToken(s split) float64 {
	perToken := float64(d.preset.KVBytesPerTokenPerGPU(s.tensor)) * d.stageShare(s.stages)
	if d.halfCache {
		return perToken / 2
	}
	return perToken
}

// needed is what each GPU must offer, in bytes.
func (d demand) needed(s split) int64 {
	return d.fixed(s) + int64(d.cachePerToken(s)*float64(d.wanted()))
}

// longest is the longest context that fits into budget bytes on each GPU, never above the model's own limit.
func (d demand) longest(s split, budget int64) int {
	free := budget - d.fixed(s)
	if free <= 0 {
		return 0
	}
	perToken := d.cachePerToken(s)
	if perToken*float64(d.preset.MaxContextLength) <= float64(free) {
		return d.preset.MaxContextLength
	}
	return int(float64(free) / perToken)
}

// tensorFor returns the largest tensor parallel size that works on the GPUs of one node. GPUs beyond it would idle
// and are not asked for.
func (d demand) tensorFor(a accelerator.Accelerator) int {
	if d.tensorParallel > 0 {
		return d.tensorParallel
	}
	if a.Partitioned {
		return 1
	}
	for size := a.Count; size > 1; size-- {
		if splits(d.preset, size) {
			return size
		}
	}
	return 1
}

// splits says whether a model is sure to start on so many GPUs of one node. vLLM pads vocabularies to multiples of 64 and
// divides them as well, so heads alone would let 5 GPUs of 8 pass for a model with 10 of them.
func splits(p preset.Preset, gpus int) bool {
	return gpus > 0 && gpus&(gpus-1) == 0 && p.AllowsTensorParallel(gpus)
}

// stageLimit is the largest number of nodes that one copy may span. Slices of a GPU cannot reach each other.
func (d demand) stageLimit(a accelerator.Accelerator) int {
	if !d.preset.MultiNode || a.Partitioned {
		return 1
	}
	return max(1, d.preset.Attention.Layers)
}

// size returns the topology of one copy of the model on nodes that offer a: one node if it fits, else as few as
// possible. It says false when no number of nodes is enough.
func size(d demand, a accelerator.Accelerator) (Topology, bool) {
	s := split{tensor: d.tensorFor(a), stages: 1}
	if a.MemoryPerGPU == 0 {
		return d.guess(s, a)
	}
	budget := int64(float64(a.MemoryPerGPU) * d.utilization)
	for limit := d.stageLimit(a); s.stages <= limit; s.stages++ {
		if length := d.longest(s, budget); length >= d.wanted() && length > 0 {
			return topology(s, a, d.lengthToSet(length)), true
		}
	}
	return Topology{}, false
}

// guess plans without knowing the GPUs' memory, from the number of 80 GiB GPUs that the catalogue states. The context
// length is left to vLLM, which measures what is there.
func (d demand) guess(s split, a accelerator.Accelerator) (Topology, bool) {
	gpus := max(1, d.preset.GPUs)
	s.stages = min((gpus+s.tensor-1)/s.tensor, d.stageLimit(a))
	return topology(s, a, d.context), true
}

func (d demand) lengthToSet(longest int) int {
	if d.context > 0 {
		return d.context
	}
	return max(d.wanted(), longest/contextStep*contextStep)
}

func topology(s split, a accelerator.Accelerator, length int) Topology {
	return Topology{
		NodesPerReplica:  int32(s.stages),
		GPUsPerPod:       int32(s.tensor),
		ResourceName:     a.ResourceName,
		TensorParallel:   int32(s.tensor),
		PipelineParallel: int32(s.stages),
		MaxModelLen:      int32(length),
	}
}

// gib writes a size for people.
func gib(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/gibibyte) }
