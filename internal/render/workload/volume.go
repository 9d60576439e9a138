// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

const (
	// WeightsPath is where weights are downloaded to.
	WeightsPath = "/weights"
	// cachePath is HOME: compiled kernels and whatever else a library keeps.
	cachePath = "/cache"

	gibibyte = 1 << 30
	// scratchLimit keeps a runaway cache from filling the node's disk; compiled kernels take 1 or 2 GiB.
	scratchLimit = 10 * gibibyte
	// sharedPerGPU is shared memory for NCCL and vLLM's message queues. It counts as the container's memory once used.
	sharedPerGPU = 2 * gibibyte
)

// volumes are those of a preset's pod, each of them writable, as its root file system is not.
func volumes(p plan.Plan) []corev1.Volume {
	shared := int64(max(1, p.Topology.GPUsPerPod)) * sharedPerGPU
	all := []corev1.Volume{
		{Name: "dshm", VolumeSource: emptyDir(corev1.StorageMediumMemory, shared)},
		{Name: "weights", VolumeSource: weights(*p.Server)},
		{Name: "cache", VolumeSource: emptyDir(corev1.StorageMediumDefault, scratchLimit)},
		{Name: "tmp", VolumeSource: emptyDir(corev1.StorageMediumDefault, scratchLimit)},
	}
	for i, adapter := range p.Server.Adapters {
		all = append(all, corev1.Volume{Name: adapterVolume(i), VolumeSource: *adapter.Volume.DeepCopy()})
	}
	return all
}

func mounts(adapters []plan.Adapter) []corev1.VolumeMount {
	all := []corev1.VolumeMount{
		{Name: "dshm", MountPath: "/dev/shm"},
		{Name: "weights", MountPath: WeightsPath},
		{Name: "cache", MountPath: cachePath},
		{Name: "tmp", MountPath: "/tmp"},
	}
	for i, adapter := range adapters {
		all = append(all, corev1.VolumeMount{Name: adapterVolume(i), MountPath: adapter.MountPath, ReadOnly: true})
	}
	return all
}

// adapterVolume is not made of the adapter's name, which may have dots and be longer than a volume's name may.
func adapterVolume(i int) string { return "adapter-" + strconv.Itoa(i) }

// weights is a volume that lives as long as the pod: a disk of the class if there is one, else the node's own.
func weights(s plan.Server) corev1.VolumeSource {
	if s.WeightsStorageClass == "" {
		return emptyDir(corev1.StorageMediumDefault, s.WeightsDisk)
	}
	return corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{
		VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				StorageClassName: new(s.WeightsStorageClass),
				Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{
					corev1.ResourceStorage: quantity(s.WeightsDisk),
				}},
			},
		},
	}}
}

// emptyDir is bounded by limit bytes; 0 is unbounded.
func emptyDir(medium corev1.StorageMedium, limit int64) corev1.VolumeSource {
	dir := &corev1.EmptyDirVolumeSource{Medium: medium}
	if limit > 0 {
		dir.SizeLimit = new(quantity(limit))
	}
	return corev1.VolumeSource{EmptyDir: dir}
}

func quantity(n int64) resource.Quantity { return *resource.NewQuantity(n, resource.BinarySI) }
