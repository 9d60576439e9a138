// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package plan makes every decision about a Workspace, once: New turns the manifest, the preset and the facts of the
// cluster into a Plan, and the renderers only spell it out.
package plan

import (
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/accelerator"
)

// Facts are what the plan must know of the cluster. They are read before, from caches.
type Facts struct {
	// Config is the operator's configuration, with defaults filled in.
	Config configv1alpha1.Configuration
	// Instances are the clouds' instance types, loaded once.
	Instances accelerator.Table
	// Nodes match resource.labelSelector, sorted by name.
	Nodes []Node
	// InferenceConfig is the text under inference_config.yaml of the ConfigMap that inference.config names; empty if the
	// Workspace names none. A ConfigMap that is missing never gets here.
	InferenceConfig string
	// Held are what the workloads that are there were planned for, the newest first.
	Held []Held
	// Serves says that a pod of the model serves.
	Serves bool
}

// Node is what matters of a node.
type Node struct {
	Name  string
	Ready bool
	// Accelerator is zero when nothing is known of the node's GPUs.
	Accelerator accelerator.Accelerator
}

// Plan is every decision about a Workspace. It is a value: renderers never change it.
type Plan struct {
	// Namespace and Name are the Workspace's.
	Namespace, Name string
	// Owner is the controller reference that every child carries.
	Owner metav1.OwnerReference

	Topology Topology
	Names    Names
	// Models are the names that the endpoint answers to: the preset's first, then the adapters'. A template's are those
	// that the manifest names.
	Models []string
	// Port is the container port that serves HTTP; 0 when a template names none.
	Port int32
	// LoadBalancer asks for a client Service of that type.
	LoadBalancer bool
	Scheduling   Scheduling
	Rollout      Rollout
	// PlannedFor goes onto the workload and comes back as Facts.Held; empty if nothing of the plan follows from nodes.
	PlannedFor string `json:",omitempty"`

	// Server is the model server of a preset; nil for a template.
	Server *Server
	// Template is the user's own pod template; nil for a preset.
	Template *corev1.PodTemplateSpec

	// Pool is nil when no pool is wanted: the gate is off, or a template names no port.
	Pool *Pool

	// Route is nil when no route is wanted.
	Route *Route `json:",omitempty"`
	// TLS is what the Endpoint Picker serves and gateways verify; nil leaves it a certificate that it makes itself.
	TLS *PickerTLS `json:",omitempty"`
	// Unroutable says that the Workspace asks for a route but has no pool to route to, or names no Gateway.
	Unroutable bool `json:",omitempty"`
}

// Topology says how many pods of how many GPUs serve the model.
type Topology struct {
	// Replicas is how many times the model is served; may be 0.
	Replicas int32
	// NodesPerReplica is how many pods, one per node, hold one copy of the model.
	NodesPerReplica int32
	// GPUsPerPod is what each pod asks for of ResourceName; 0 asks for none (templates).
	GPUsPerPod int32
	// ResourceName is the extended resource, such as nvidia.com/gpu.
	ResourceName string
	// TensorParallel is the number of GPUs of one node that share each layer.
	TensorParallel int32
	// PipelineParallel is the number of nodes that hold consecutive layers.
	PipelineParallel int32
	// MaxModelLen is the context length in tokens; 0 leaves it to vLLM.
	MaxModelLen int32
}

// MultiNode says that one copy of the model spans several pods: a StatefulSet whose pod 0 serves.
func (t Topology) MultiNode() bool { return t.NodesPerReplica > 1 }

// Nodes is how many nodes all replicas need.
func (t Topology) Nodes() int32 { return t.Replicas * t.NodesPerReplica }

// Names are the names of everything that is made.
type Names struct {
	// Workloads are the Deployment's name, or one name per StatefulSet (replica) of a model over several nodes.
	Workloads []string
	// Service is the client Service, Headless the governing Service of StatefulSets.
	Service, Headless string
	// Pool is the InferencePool, OCIRepository, HelmRelease and Helm release.
	Pool string
	// EPP is the Endpoint Picker's Deployment and Service.
	EPP string
}

// Scheduling says where pods may go.
type Scheduling struct {
	// Required are the node selector's requirements, from resource.labelSelector; all must hold.
	Required []corev1.NodeSelectorRequirement
	// PreferredNodes are names of nodes to use first.
	PreferredNodes []string
	// Tolerations are those of GPU nodes.
	Tolerations []corev1.Toleration
}

// Rollout bounds a rolling update.
type Rollout struct {
	MaxSurge, MaxUnavailable intstr.IntOrString
}

// Server is the model server container of a preset.
type Server struct {
	Image            string
	PullPolicy       corev1.PullPolicy
	ImagePullSecrets []string
	// Args is vLLM's command line without the arguments that differ between the pods of one replica.
	Args []string
	// Env is added to the container.
	Env []corev1.EnvVar
	// TokenSecret is the Secret whose key HF_TOKEN is the Hugging Face token; empty for none.
	TokenSecret string
	// ConfigHash changes with the user's inference configuration; empty without one.
	ConfigHash string
	// Adapters are the LoRA adapters to mount.
	Adapters []Adapter
	// WeightsDisk is the size of the weights cache in bytes, WeightsStorageClass its class (empty: emptyDir).
	WeightsDisk         int64
	WeightsStorageClass string
	// Resources are CPU and memory beside the GPUs.
	Resources corev1.ResourceRequirements
	// LoadTimeout is how long download and loading may take before the kubelet restarts the container.
	LoadTimeout time.Duration
}

// Adapter is one LoRA adapter: a volume and where its files are in it.
type Adapter struct {
	Name   string
	Volume corev1.VolumeSource
	// MountPath is where the volume is mounted, Path where vLLM finds the adapter.
	MountPath, Path string
}

// Pool says what to install in front of the model.
type Pool struct {
	// Selector is what the pool selects while every pod serves. For a multi-node shape the renderer adds the pod index.
	Selector map[string]string
	// Registry stands in for the upstream registries of whatever Chart and EPP leave out; empty keeps those. The locations
	// that they do name are complete.
	Registry string
	Chart    configv1alpha1.Chart
	EPP      configv1alpha1.EndpointPicker
	Flux     configv1alpha1.Flux
	// ImagePullSecrets are for the EPP's pod.
	ImagePullSecrets []string
	// TLSSecret holds the certificate that the EPP serves; empty lets it make one of its own.
	TLSSecret string `json:",omitempty"`
}

// PoolSelector is what the pool selects for a shape: of a model over several nodes only pod index 0 serves.
func (p Plan) PoolSelector(shape Shape) map[string]string {
	selector := maps.Clone(p.Pool.Selector)
	if shape == ShapeStatefulSet {
		selector[v1beta1.LabelPodIndex] = "0"
	}
	return selector
}

// Shape is what the API server admitted: which kind of workload serves, and so which of its pods the pool may select.
type Shape string

const (
	// ShapeDeployment: every pod serves.
	ShapeDeployment Shape = "Deployment"
	// ShapeStatefulSet: only pod index 0 of each StatefulSet serves.
	ShapeStatefulSet Shape = "StatefulSet"
)
