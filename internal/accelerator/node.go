// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package accelerator

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Labels of NVIDIA's GPU feature discovery. Memory is that of one GPU in MiB.
const (
	labelMemory   = "nvidia.com/gpu.memory"
	labelProduct  = "nvidia.com/gpu.product"
	labelReplicas = "nvidia.com/gpu.replicas"
)

// Labels of clouds, for nodes where GPU feature discovery does not run.
const (
	labelGKE             = "cloud.google.com/gke-accelerator"
	labelGKEPartition    = "cloud.google.com/gke-gpu-partition-size"
	labelGKEShares       = "cloud.google.com/gke-max-shared-clients-per-gpu"
	labelEKS             = "k8s.amazonaws.com/accelerator"
	labelKarpenterGPU    = "karpenter.k8s.aws/instance-gpu-name"
	labelKarpenterMemory = "karpenter.k8s.aws/instance-gpu-memory"
)

// migPrefix starts the resources of MIG slices under the mixed strategy, such as
// nvidia.com/mig-3g.40gb; GPU feature discovery adds one label set for each.
const migPrefix = "nvidia.com/mig-"

const mebibyte = 1 << 20

// FromNode returns what a node's NVIDIA device plugin offers, and false if it
// offers nothing. Memory and model come from the first that knows them: GPU
// feature discovery, Karpenter, the accelerator label of GKE or EKS, the table
// row of the node's instance type. MemoryPerGPU is 0 if none does.
func (t Table) FromNode(labels map[string]string, allocatable corev1.ResourceList) (Accelerator, bool) {
	if count := quantity(allocatable, NVIDIAResource); count > 0 {
		return t.wholeGPUs(labels, count), true
	}
	return largestSlice(labels, allocatable)
}

func (t Table) wholeGPUs(labels map[string]string, count int) Accelerator {
	gpu := t.gpuOf(labels)
	a := Accelerator{
		Vendor:       VendorNVIDIA,
		Model:        gpu.GPU,
		Count:        count,
		MemoryPerGPU: int64(gpu.MemoryPerGPU),
		ResourceName: NVIDIAResource,
	}
	// Under MIG's single strategy a slice is called nvidia.com/gpu, and the memory
	// label already speaks of the slice.
	if strings.Contains(labels[labelProduct], "-MIG-") {
		a.Partitioned = true
	}
	if size := labels[labelGKEPartition]; size != "" && labels[labelMemory] == "" {
		a.Partitioned = true
		a.MemoryPerGPU = sliceMemory(size)
	}
	// The device plugin counts each share of a GPU as a GPU of its own, while the
	// memory label still speaks of the whole.
	if shares := int64(max(number(labels[labelReplicas]), number(labels[labelGKEShares]))); shares > 1 {
		a.Partitioned = true
		a.MemoryPerGPU /= shares
	}
	return a
}

// gpuOf returns model and memory of a node's GPUs, as far as its labels tell.
func (t Table) gpuOf(labels map[string]string) gpuRow {
	if mib := number(labels[labelMemory]); mib > 0 {
		return gpuRow{GPU: shortModel(labels[labelProduct]), MemoryPerGPU: memory(mib) * mebibyte}
	}
	if mib := number(labels[labelKarpenterMemory]); mib > 0 {
		return gpuRow{GPU: strings.ToUpper(labels[labelKarpenterGPU]), MemoryPerGPU: memory(mib) * mebibyte}
	}
	for _, label := range []string{labelGKE, labelEKS} {
		if row, known := t.gpus[labels[label]]; known {
			return row
		}
	}
	instance, _ := t.Lookup(labels[corev1.LabelInstanceTypeStable])
	if instance.Vendor == VendorNVIDIA {
		return gpuRow{GPU: instance.Model, MemoryPerGPU: memory(instance.MemoryPerGPU)}
	}
	return gpuRow{GPU: shortModel(labels[labelProduct])}
}

// largestSlice returns the MIG slices with the most memory. A pod can ask for one
// kind only, and a model needs memory first of all.
func largestSlice(labels map[string]string, allocatable corev1.ResourceList) (Accelerator, bool) {
	var slicesOfNode []Accelerator
	for name := range allocatable {
		profile, isSlice := strings.CutPrefix(string(name), migPrefix)
		count := quantity(allocatable, name)
		if !isSlice || count == 0 {
			continue
		}
		size := int64(number(labels[string(name)+".memory"])) * mebibyte
		slicesOfNode = append(slicesOfNode, Accelerator{
			Vendor:       VendorNVIDIA,
			Model:        cmp.Or(shortModel(labels[string(name)+".product"]), shortModel(labels[labelProduct])),
			Count:        count,
			MemoryPerGPU: cmp.Or(size, sliceMemory(profile)),
			ResourceName: string(name),
			Partitioned:  true,
		})
	}
	if len(slicesOfNode) == 0 {
		return Accelerator{}, false
	}
	return slices.MaxFunc(slicesOfNode, func(a, b Accelerator) int {
		return cmp.Or(cmp.Compare(a.MemoryPerGPU, b.MemoryPerGPU), strings.Compare(a.ResourceName, b.ResourceName))
	}), true
}

// sliceMemory reads the memory out of a MIG profile's name: 3g.40gb, or 1g.10gb.me.
// The name rounds up, so one part in sixteen is taken off.
func sliceMemory(profile string) int64 {
	for part := range strings.SplitSeq(profile, ".") {
		if gib, isSize := strings.CutSuffix(part, "gb"); isSize {
			return int64(number(gib)) * 1024 * mebibyte / 16 * 15
		}
	}
	return 0
}

// shortModel drops the maker from a product label: NVIDIA-A100-SXM4-80GB, Tesla-T4.
func shortModel(product string) string {
	return strings.TrimPrefix(strings.TrimPrefix(product, "NVIDIA-"), "Tesla-")
}

func quantity(list corev1.ResourceList, name corev1.ResourceName) int {
	q := list[name]
	return int(q.Value())
}

// number returns 0 for a label that is absent or not a positive number.
func number(label string) int {
	n, err := strconv.Atoi(label)
	if err != nil {
		return 0
	}
	return max(n, 0)
}
