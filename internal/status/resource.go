// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"strings"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// resource judges whether the Ready nodes that match offer room for every pod.
func resource(in Input) verdict {
	const condition = v1beta1.ConditionResourceReady
	if in.Plan == nil {
		return failed(condition, in.PlanErr)
	}
	t := in.Plan.Topology
	wanted := t.Nodes()
	if wanted == 0 {
		return yes(condition, v1beta1.ReasonNodesReady, "no nodes are needed")
	}
	room := int32(0)
	for _, n := range in.Nodes {
		if n.Ready {
			room += fits(n, t)
		}
	}
	if t.GPUsPerPod == 0 {
		return templateResource(in, room)
	}
	if room >= wanted {
		return yes(condition, v1beta1.ReasonNodesReady, fmt.Sprintf("Ready nodes have room for %s", needs(wanted, t)))
	}
	return no(condition, v1beta1.ReasonInsufficientNodes, fmt.Sprintf(
		"Ready nodes that match resource have room for %d of %s%s: add nodes, or label existing ones as resource.labelSelector asks",
		room, needs(wanted, t), unusable(in.Nodes, t)))
}

// templateResource judges for pods of the user's own, of which only the user knows how many share a node.
func templateResource(in Input, room int32) verdict {
	const condition = v1beta1.ConditionResourceReady
	if len(in.Nodes) == 0 {
		return no(condition, v1beta1.ReasonInsufficientNodes,
			"no node matches resource: add nodes, or label existing ones as resource.labelSelector asks")
	}
	if room == 0 {
		return no(condition, v1beta1.ReasonInsufficientNodes,
			"no Ready node matches resource"+unusable(in.Nodes, in.Plan.Topology)+": add nodes, or label existing ones as resource.labelSelector asks")
	}
	return yes(condition, v1beta1.ReasonNodesReady, "Ready nodes match resource")
}

// unusable says why nodes that match do not count.
func unusable(nodes []plan.Node, t plan.Topology) string {
	if len(nodes) == 0 {
		return " (no node matches)"
	}
	var down, lacking []string
	for _, n := range nodes {
		switch {
		case !n.Ready:
			down = append(down, n.Name)
		case fits(n, t) == 0:
			lacking = append(lacking, n.Name)
		}
	}
	var parts []string
	if len(down) > 0 {
		parts = append(parts, "not Ready or cordoned: "+some(down))
	}
	if len(lacking) > 0 {
		parts = append(parts, fmt.Sprintf("without %d %s: %s", t.GPUsPerPod, t.ResourceName, some(lacking)))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

// some names the first few.
func some(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	// How many others would make this another message whenever a node comes that does not matter.
	return strings.Join(names[:most], ", ") + " and others"
}

// fits is how many pods a node has room for: of a model over several nodes just one for each replica. With that, the sum
// over all nodes is enough exactly when each replica can have its pods on different nodes.
func fits(n plan.Node, t plan.Topology) int32 {
	if t.GPUsPerPod == 0 {
		return 1
	}
	if n.Accelerator.ResourceName != t.ResourceName {
		return 0
	}
	pods := int32(n.Accelerator.Count) / t.GPUsPerPod
	if t.MultiNode() {
		return min(t.Replicas, pods)
	}
	return pods
}

func needs(wanted int32, t plan.Topology) string {
	pods := "pods"
	if wanted == 1 {
		pods = "pod"
	}
	text := fmt.Sprintf("%d %s with %d %s each", wanted, pods, t.GPUsPerPod, t.ResourceName)
	switch {
	case !t.MultiNode():
		return text
	case t.Replicas == 1:
		return text + " on a node of its own"
	default:
		return text + ", those of one replica on different nodes"
	}
}
