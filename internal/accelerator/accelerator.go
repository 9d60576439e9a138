// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package accelerator knows which GPUs a cloud's instance type or a node has,
// and how much memory each of them offers.
package accelerator

import (
	"fmt"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
)

// NVIDIAResource is the extended resource of NVIDIA's device plugin.
const NVIDIAResource = "nvidia.com/gpu"

// Vendor is the maker of an accelerator.
type Vendor string

// The vendors of the instance types that we know. The vLLM image runs on NVIDIA only.
const (
	VendorNVIDIA Vendor = "NVIDIA"
	VendorAMD    Vendor = "AMD"
	VendorAWS    Vendor = "AWS"
)

// Accelerator is what one node offers.
type Accelerator struct {
	Vendor Vendor
	// Model is the short name of the GPU, such as "A100"; empty if unknown.
	Model string
	// Count is the number of GPUs, or of equal MIG slices or shares.
	Count int
	// MemoryPerGPU is the memory of one GPU, slice or share in bytes; 0 if unknown.
	MemoryPerGPU int64
	// ResourceName is the extended resource that pods ask for: nvidia.com/gpu, or
	// a nvidia.com/mig-… resource. Empty when no image of ours can use it.
	ResourceName string
	// Partitioned says that Count counts MIG slices or time-shared copies, over
	// which tensor parallelism does not work.
	Partitioned bool
}

// InstanceType is one row of a cloud's table.
type InstanceType struct {
	// Name is the cloud's own spelling.
	Name string
	// Cloud is azure, aws or arc.
	Cloud string
	Accelerator
	// NVMe says that the node has local NVMe disks.
	NVMe bool
	// Arch is the CPU architecture, as in the label kubernetes.io/arch.
	Arch string
}

// CheckSupported returns an *outcome.Terminal if vLLM's image cannot run on t.
func (t InstanceType) CheckSupported() error {
	var why string
	switch {
	case t.Vendor != VendorNVIDIA:
		why = fmt.Sprintf("%s %s: the vLLM image needs NVIDIA GPUs", t.Vendor, t.Model)
	case tooOld(t.Model):
		why = fmt.Sprintf("NVIDIA %s: vLLM needs a GPU of compute capability 7.0 or higher", t.Model)
	default:
		return nil
	}
	return &outcome.Terminal{
		Reason: v1beta1.ReasonUnsupportedInstance,
		Err:    fmt.Errorf("instance type %s has %s; choose another instanceType", t.Name, why),
	}
}

// tooOld names the GPUs of the tables below compute capability 7.0: K80 has 3.7,
// M60 has 5.2, P4 has 6.1 and P100 has 6.0.
func tooOld(model string) bool {
	switch model {
	case "K80", "M60", "P4", "P100":
		return true
	default:
		return false
	}
}
