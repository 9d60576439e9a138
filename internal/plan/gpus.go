// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/accelerator"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/preset"
)

// offer is what the nodes of a Workspace offer, and how to speak of them.
type offer struct {
	accelerator.Accelerator
	// name is the instance type or node, as in "fits Standard_NC24ads_A100_v4".
	name string
	// cloud is that of a known instance type.
	cloud string
	// guessed says that no node and no instance type is known.
	guessed bool
}

// offerFor returns the GPUs of one node. Nodes that the user names outweigh resource.instanceType, because its default
// says nothing then; a known instance type outweighs the matching nodes, because more of them may come.
func offerFor(r v1beta1.ResourceSpec, f Facts, p preset.Preset) (offer, error) {
	var nodes []Node
	if len(r.PreferredNodes) > 0 {
		nodes = slices.DeleteFunc(slices.Clone(f.Nodes), func(n Node) bool { return !slices.Contains(r.PreferredNodes, n.Name) })
	} else if t, known := f.Instances.Lookup(r.InstanceType); known {
		return offer{Accelerator: t.Accelerator, name: t.Name, cloud: t.Cloud}, t.CheckSupported()
	} else {
		nodes = f.Nodes
	}
	node, found := smallest(nodes)
	if held, ok := heldOffer(r, f, nodes); ok && held.Accelerator != node.Accelerator {
		return held, nil
	}
	if !found {
		return unknownOffer(p), nil
	}
	if node.Accelerator.Vendor != accelerator.VendorNVIDIA || node.Accelerator.ResourceName == "" {
		return offer{}, &outcome.Terminal{
			Reason: v1beta1.ReasonUnsupportedInstance,
			Err: fmt.Errorf("node %s has %s %s GPUs and the vLLM image needs NVIDIA GPUs: select other nodes with resource.labelSelector",
				node.Name, node.Accelerator.Vendor, node.Accelerator.Model),
		}
	}
	return offer{Accelerator: node.Accelerator, name: "node " + node.Name}, nil
}

// unknownOffer stands for nodes that are still to come: GPUs of unknown memory, as many as the model needs of 80 GiB.
func unknownOffer(p preset.Preset) offer {
	gpus := min(max(1, p.GPUs), largestNode)
	for size := gpus; size <= largestNode; size++ {
		if splits(p, size) {
			gpus = size
			break
		}
	}
	return offer{
		Accelerator: accelerator.Accelerator{
			Vendor:       accelerator.VendorNVIDIA,
			Count:        gpus,
			ResourceName: accelerator.NVIDIAResource,
		},
		name:    "the nodes",
		guessed: true,
	}
}

// smallest returns the node that every pod is sure to fit: usable before unusable, Ready before others, and then the
// least GPU memory. It says false if no node is known to have GPUs.
func smallest(nodes []Node) (Node, bool) {
	withGPUs := slices.DeleteFunc(slices.Clone(nodes), func(n Node) bool { return n.Accelerator.Count == 0 })
	if len(withGPUs) == 0 {
		return Node{}, false
	}
	return slices.MinFunc(withGPUs, func(a, b Node) int {
		return cmp.Or(
			compareFirst(a.Accelerator.ResourceName != "", b.Accelerator.ResourceName != ""),
			compareFirst(a.Ready, b.Ready),
			cmp.Compare(total(a.Accelerator), total(b.Accelerator)),
			cmp.Compare(a.Accelerator.Count, b.Accelerator.Count),
			cmp.Compare(a.Name, b.Name),
		)
	}), true
}

func total(a accelerator.Accelerator) int64 { return int64(a.Count) * a.MemoryPerGPU }

// compareFirst sorts what holds before what does not.
func compareFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}
