// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/accelerator"
)

// Held is what a workload was planned for, where that followed from nodes and not from an instance type. It is kept on the
// workload, so that nodes which vanish, or whose device plugin restarts, do not change the plan of what runs.
type Held struct {
	// Resource tells one resource of the Workspace from another: the user's change of it makes the plan anew.
	Resource string `json:"resource"`
	// GPUs are those of one node.
	GPUs accelerator.Accelerator `json:"gpus"`
	// Guessed says that no node was known.
	Guessed bool `json:"guessed,omitempty"`
}

// ParseHeld reads what hold wrote. It says false for anything else, which is then planned for anew.
func ParseHeld(text string) (Held, bool) {
	var h Held
	if text == "" || json.Unmarshal([]byte(text), &h) != nil {
		return Held{}, false
	}
	return h, h.GPUs.Count > 0 && h.GPUs.ResourceName != ""
}

// heldOffer is the offer that a workload keeps although nodes may offer something else by now: as long as it serves, as
// long as no node is known to have GPUs, and as long as one still has as much.
func heldOffer(r v1beta1.ResourceSpec, f Facts, nodes []Node) (offer, bool) {
	resource := resourceHash(r)
	at := slices.IndexFunc(f.Held, func(h Held) bool { return h.Resource == resource })
	if at < 0 {
		return offer{}, false
	}
	h := f.Held[at]
	_, known := smallest(nodes)
	if known && !f.Serves && !slices.ContainsFunc(nodes, h.isOffered) {
		return offer{}, false
	}
	return offer{Accelerator: h.GPUs, name: "the nodes", guessed: h.Guessed}, true
}

// isOffered says that a node has at least these GPUs. Those of unknown memory were planned for without knowing much, so
// whatever is known now is better.
func (h Held) isOffered(n Node) bool {
	have := n.Accelerator
	return h.GPUs.MemoryPerGPU > 0 && have.Vendor == h.GPUs.Vendor && have.ResourceName == h.GPUs.ResourceName &&
		have.Partitioned == h.GPUs.Partitioned && have.Count >= h.GPUs.Count && have.MemoryPerGPU >= h.GPUs.MemoryPerGPU
}

// hold is what to remember of an offer; empty if it follows from the Workspace alone.
func (o offer) hold(r v1beta1.ResourceSpec) string {
	if o.cloud != "" {
		return ""
	}
	// Texts and numbers can always be encoded.
	text, _ := json.Marshal(Held{Resource: resourceHash(r), GPUs: o.Accelerator, Guessed: o.guessed})
	return string(text)
}

// resourceHash leaves out the number of nodes, which says nothing about one of them.
func resourceHash(r v1beta1.ResourceSpec) string {
	r.Count = nil
	text, _ := json.Marshal(r)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
