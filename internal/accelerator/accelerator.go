// Package accelerator knows which GPUs a cloud's instance type or a node has,
// and how much memory each of them offers.
package accelerator

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
	// Count is the number of GPUs, or of equal MIG slices.
	Count int
	// MemoryPerGPU is the memory of one GPU or slice in bytes; 0 if unknown.
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
}
