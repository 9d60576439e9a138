// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package accelerator_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/workspace-operator/workspace-operator/internal/accelerator"
)

const mib = 1 << 20

func TestFromNode(t *testing.T) {
	t.Parallel()
	nvidia := func(model string, count int, memory int64) accelerator.Accelerator {
		return accelerator.Accelerator{
			Vendor: accelerator.VendorNVIDIA, Model: model, Count: count, MemoryPerGPU: memory,
			ResourceName: accelerator.NVIDIAResource,
		}
	}
	part := func(a accelerator.Accelerator, resourceName string) accelerator.Accelerator {
		a.Partitioned, a.ResourceName = true, resourceName
		return a
	}
	cases := map[string]struct {
		labels      map[string]string
		allocatable map[string]string
		want        accelerator.Accelerator
	}{
		"no GPU": {allocatable: map[string]string{"cpu": "4"}},
		"device plugin not ready, labels there": {
			labels: map[string]string{"nvidia.com/gpu.memory": "15360", "nvidia.com/gpu.count": "1"},
		},
		"no healthy GPU": {allocatable: map[string]string{"nvidia.com/gpu": "0"}},
		"AMD":            {allocatable: map[string]string{"amd.com/gpu": "1"}},
		"GPU feature discovery": {
			labels: map[string]string{
				"nvidia.com/gpu.memory": "81920", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.count": "8",
				"node.kubernetes.io/instance-type": "Standard_NC6s_v3",
			},
			allocatable: map[string]string{"nvidia.com/gpu": "8"},
			want:        nvidia("A100-SXM4-80GB", 8, 81920*mib),
		},
		"fewer healthy GPUs than the node has": {
			labels:      map[string]string{"nvidia.com/gpu.memory": "15360", "nvidia.com/gpu.product": "Tesla-T4", "nvidia.com/gpu.count": "4"},
			allocatable: map[string]string{"nvidia.com/gpu": "3"},
			want:        nvidia("T4", 3, 15360*mib),
		},
		"nothing but the plugin": {
			allocatable: map[string]string{"nvidia.com/gpu": "2"},
			want:        nvidia("", 2, 0),
		},
		"broken memory label": {
			labels:      map[string]string{"nvidia.com/gpu.memory": "-1", "nvidia.com/gpu.product": "Tesla-T4"},
			allocatable: map[string]string{"nvidia.com/gpu": "1"},
			want:        nvidia("T4", 1, 0),
		},
		"time slicing": {
			labels:      map[string]string{"nvidia.com/gpu.memory": "16384", "nvidia.com/gpu.product": "Tesla-T4-SHARED", "nvidia.com/gpu.replicas": "4"},
			allocatable: map[string]string{"nvidia.com/gpu": "4"},
			want:        part(nvidia("T4-SHARED", 4, 4096*mib), "nvidia.com/gpu"),
		},
		"MIG, single strategy": {
			labels: map[string]string{
				"nvidia.com/gpu.memory": "4864", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
				"nvidia.com/mig.strategy": "single", "nvidia.com/gpu.replicas": "1",
			},
			allocatable: map[string]string{"nvidia.com/gpu": "7"},
			want:        part(nvidia("A100-SXM4-40GB-MIG-1g.5gb", 7, 4864*mib), "nvidia.com/gpu"),
		},
		"MIG, mixed strategy": {
			labels: map[string]string{
				"nvidia.com/gpu.memory": "81920", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB",
				"nvidia.com/mig-3g.40gb.memory": "40192", "nvidia.com/mig-3g.40gb.product": "NVIDIA-A100-SXM4-80GB-MIG-3g.40gb",
			},
			allocatable: map[string]string{"nvidia.com/gpu": "0", "nvidia.com/mig-3g.40gb": "1", "nvidia.com/mig-1g.10gb": "4"},
			want:        part(nvidia("A100-SXM4-80GB-MIG-3g.40gb", 1, 40192*mib), "nvidia.com/mig-3g.40gb"),
		},
		"MIG without labels": {
			allocatable: map[string]string{"nvidia.com/mig-1g.10gb.me": "2"},
			want:        part(nvidia("", 2, 9600*mib), "nvidia.com/mig-1g.10gb.me"),
		},
		"GKE": {
			labels:      map[string]string{"cloud.google.com/gke-accelerator": "nvidia-h100-80gb"},
			allocatable: map[string]string{"nvidia.com/gpu": "8"},
			want:        nvidia("H100", 8, 80*gib),
		},
		"GKE, an accelerator that we do not know": {
			labels:      map[string]string{"cloud.google.com/gke-accelerator": "nvidia-next"},
			allocatable: map[string]string{"nvidia.com/gpu": "8"},
			want:        nvidia("", 8, 0),
		},
		"GKE, shared": {
			labels: map[string]string{
				"cloud.google.com/gke-accelerator": "nvidia-tesla-t4", "cloud.google.com/gke-max-shared-clients-per-gpu": "2",
			},
			allocatable: map[string]string{"nvidia.com/gpu": "2"},
			want:        part(nvidia("T4", 2, 8*gib), "nvidia.com/gpu"),
		},
		"GKE, partitioned": {
			labels: map[string]string{
				"cloud.google.com/gke-accelerator": "nvidia-tesla-a100", "cloud.google.com/gke-gpu-partition-size": "1g.5gb",
			},
			allocatable: map[string]string{"nvidia.com/gpu": "7"},
			want:        part(nvidia("A100", 7, 4800*mib), "nvidia.com/gpu"),
		},
		"EKS": {
			labels:      map[string]string{"k8s.amazonaws.com/accelerator": "nvidia-tesla-v100"},
			allocatable: map[string]string{"nvidia.com/gpu": "1"},
			want:        nvidia("V100", 1, 16*gib),
		},
		"Karpenter": {
			labels:      map[string]string{"karpenter.k8s.aws/instance-gpu-name": "a10g", "karpenter.k8s.aws/instance-gpu-memory": "22888"},
			allocatable: map[string]string{"nvidia.com/gpu": "4"},
			want:        nvidia("A10G", 4, 22888*mib),
		},
		"instance type": {
			labels:      map[string]string{"node.kubernetes.io/instance-type": "standard_nc80adis_h100_v5", "kubernetes.azure.com/accelerator": "nvidia"},
			allocatable: map[string]string{"nvidia.com/gpu": "2"},
			want:        nvidia("H100", 2, 94*gib),
		},
	}
	table := builtin(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			allocatable := corev1.ResourceList{}
			for resourceName, quantity := range c.allocatable {
				allocatable[corev1.ResourceName(resourceName)] = resource.MustParse(quantity)
			}
			got, ok := table.FromNode(c.labels, allocatable)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
			if ok != (c.want.Count > 0) {
				t.Errorf("found: %t", ok)
			}
		})
	}
}
