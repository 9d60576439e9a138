// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Workspace is one model endpoint: where it may run (resource), what it serves (inference) and what is true of it now
// (status). The fields are at top level, as in KAITO.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=workspaces,singular=workspace,scope=Namespaced,shortName={wk,wks},categories={workspace}
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:printcolumn:name="Model",type=string,JSONPath=.status.models[0]
// +kubebuilder:printcolumn:name="Workload",type=string,JSONPath=.status.workload.kind
// +kubebuilder:printcolumn:name="Replicas",type=string,JSONPath=.status.readyOfReplicas
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].status
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=.status.conditions[?(@.type=="Ready")].reason
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=.metadata.creationTimestamp
// +kubebuilder:printcolumn:name="Instance",type=string,priority=1,JSONPath=.resource.instanceType
// +kubebuilder:printcolumn:name="Pool",type=string,priority=1,JSONPath=.status.inferencePool.name
// +kubebuilder:printcolumn:name="Endpoint",type=string,priority=1,JSONPath=.status.endpoint
// +kubebuilder:validation:XValidation:rule="!has(self.tuning)",message="tuning is not supported by this operator: remove tuning, fine-tune with a training job of your own, and serve its result with inference.adapters or inference.template"
// +kubebuilder:validation:XValidation:rule="has(self.inference) || has(self.tuning)",message="inference is required: write inference.preset.name (a model of the catalogue) or inference.template (pods of your own)"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="metadata.name must have at most 63 characters: it becomes a label value of every pod"
// +kubebuilder:validation:XValidation:rule="!self.metadata.name.contains('.')",message="metadata.name must not contain dots: it becomes the name of a Service; write a DNS label such as workspace-phi-4"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.spec) || !has(oldSelf.spec.replicas) || !has(self.spec) || !has(self.spec.replicas) || self.spec.replicas != oldSelf.spec.replicas || !has(self.inference) || !has(oldSelf.inference) || (has(self.inference.replicas) ? self.inference.replicas : 1) == (has(oldSelf.inference.replicas) ? oldSelf.inference.replicas : 1)",message="inference.replicas has no effect while spec.replicas is set, as kubectl scale and autoscalers do: change spec.replicas, or remove it"
type Workspace struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// resource says which nodes the model may use.
	// +optional
	Resource ResourceSpec `json:"resource,omitempty,omitzero"`

	// spec holds what the scale subresource writes, and nothing else.
	// +optional
	Spec ScaleSpec `json:"spec,omitempty,omitzero"`

	// inference says what is served: a preset of the catalogue, or a pod template.
	// +optional
	Inference *InferenceSpec `json:"inference,omitempty"`

	// tuning is KAITO's fine-tuning job. It is part of the schema so that such manifests get a clear answer, and is
	// always refused.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	Tuning *runtime.RawExtension `json:"tuning,omitempty"`

	// status is what the operator observed. Written by the operator alone.
	// +optional
	Status WorkspaceStatus `json:"status,omitempty,omitzero"`
}

// WorkspaceList is a list of Workspaces.
//
// +kubebuilder:object:root=true
type WorkspaceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Workspace `json:"items"`
}

// ScaleSpec is what the scale subresource writes: Kubernetes lets it write below spec only, and KAITO's API has no spec.
type ScaleSpec struct {
	// replicas is how many times the model is served, as set by kubectl scale or an autoscaler. It takes precedence over
	// inference.replicas. An autoscaler needs it to be set once, since it takes 0 for switched off.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
}

// ResourceSpec says which nodes may run the model and of which type they are.
type ResourceSpec struct {
	// count is the number of nodes that a template Workspace wants; default 1. For presets the plan computes the nodes
	// from the model's size, and this field has no effect. Deprecated: use inference.replicas.
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +optional
	Count *int32 `json:"count,omitempty"`

	// instanceType is the cloud's name of the node type; default Standard_NC24ads_A100_v4. GPUs and memory per GPU are
	// taken from the operator's table of instance types; for a type that is not in it, from the matching nodes
	// themselves. A change rolls the workload.
	// +kubebuilder:default="Standard_NC24ads_A100_v4"
	// +kubebuilder:validation:MaxLength=63
	// +optional
	InstanceType string `json:"instanceType,omitempty"`

	// labelSelector selects the nodes that may be used, by labels and expressions. All nodes if empty. A change rolls the workload.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`

	// preferredNodes are names of nodes that should be used first, for bring-your-own nodes. Each must match
	// labelSelector too. If set, GPU facts are read from the nodes and instanceType is not used for sizing.
	// +kubebuilder:validation:MaxItems=100
	// +listType=atomic
	// +optional
	PreferredNodes []string `json:"preferredNodes,omitempty"`
}

// InferenceSpec says what is served and how many times.
//
// +kubebuilder:validation:XValidation:rule="has(self.preset) || has(self.template)",message="one of preset and template is required: write inference.preset.name (a model of the catalogue) or inference.template (pods of your own)"
// +kubebuilder:validation:XValidation:rule="!(has(self.preset) && has(self.template))",message="preset and template exclude each other: keep inference.preset to serve a model of the catalogue, or inference.template to run pods of your own"
// +kubebuilder:validation:XValidation:rule="has(self.preset) == has(oldSelf.preset)",message="preset cannot be replaced by template, nor template by preset: create another Workspace and delete this one"
// +kubebuilder:validation:XValidation:rule="!has(self.adapters) || !has(self.template)",message="adapters need a preset: with inference.template put the adapters into your own container's arguments"
// +kubebuilder:validation:XValidation:rule="!has(self.gateway) || !has(self.gateway.models) || has(self.template)",message="gateway.models is for templates: a preset answers to its own name and those of its adapters, remove inference.gateway.models"
// +kubebuilder:validation:XValidation:rule="!has(self.config) || !has(self.template)",message="config needs a preset: with inference.template put vLLM's settings into your own container's arguments"
type InferenceSpec struct {
	// preset names a model of the catalogue.
	// +optional
	Preset *PresetSpec `json:"preset,omitempty"`

	// template is a pod template of the user's own, instead of a preset. It gets a Deployment, a Service and, when its
	// first container names a port, an InferencePool.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +optional
	Template *corev1.PodTemplateSpec `json:"template,omitempty"`

	// config is the name of a ConfigMap in the Workspace's namespace whose key inference_config.yaml holds vLLM
	// arguments under the key vllm. They are merged with the preset's and validated; a change rolls the pods.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Config string `json:"config,omitempty"`

	// adapters are LoRA adapters served beside the base model, each under its source's name. At most 10.
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, b.source.name == a.source.name))",message="adapters must have unique source.name: it is the model name by which clients ask for the adapter"
	// +listType=atomic
	// +optional
	Adapters []AdapterSpec `json:"adapters,omitempty"`

	// replicas is how many times the model is served; default 1 (for templates resource.count). 0 stops the model and
	// keeps everything else. A model that spans several nodes gets one StatefulSet per replica.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// rollout says how pods are replaced when something changes. By default a new pod is Ready before an old one goes.
	// +optional
	Rollout *RolloutSpec `json:"rollout,omitempty"`

	// gateway says at which Gateway the model is offered. Without it the operator's default Gateway is used, if one is
	// configured; else no route is made.
	// +optional
	Gateway *GatewaySpec `json:"gateway,omitempty"`
}

// RolloutSpec bounds a rolling update.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.maxSurge) && has(self.maxUnavailable) && self.maxSurge == 0 && self.maxUnavailable == 0)",message="maxSurge and maxUnavailable cannot both be 0: nothing could ever be replaced; set one of them to 1"
// +kubebuilder:validation:XValidation:rule="!(has(self.maxSurge) && self.maxSurge == 0 && !has(self.maxUnavailable))",message="maxSurge 0 needs maxUnavailable: write maxUnavailable: 1 to replace pods in place when there are no spare GPUs"
type RolloutSpec struct {
	// maxSurge is how many pods (number or percentage) may run beyond replicas during an update; default 1. Needs free GPUs.
	// +kubebuilder:validation:XIntOrString
	// +optional
	MaxSurge *intstr.IntOrString `json:"maxSurge,omitempty"`

	// maxUnavailable is how many pods (number or percentage) may be missing during an update; default 0.
	// +kubebuilder:validation:XIntOrString
	// +optional
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
}

// ModelImageAccessMode was KAITO's way to tell public from private model images.
//
// +kubebuilder:validation:Enum=public;private
type ModelImageAccessMode string

// PresetSpec names a model of the catalogue.
type PresetSpec struct {
	// name is the catalogue's name of the model, for example phi-4-mini-instruct. Case does not matter. Immutable: another
	// model is another Workspace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="preset.name is immutable: create another Workspace for another model and delete this one"
	// +required
	Name string `json:"name"`

	// accessMode has no effect; default public. Deprecated.
	// +kubebuilder:default="public"
	// +optional
	AccessMode ModelImageAccessMode `json:"accessMode,omitempty"`

	// presetOptions are further settings of the preset.
	// +optional
	PresetOptions PresetOptions `json:"presetOptions,omitempty,omitzero"`
}

// PresetOptions are further settings of a preset.
type PresetOptions struct {
	// image has no effect: weights are downloaded from the model hub, not from an image. Deprecated.
	// +optional
	Image string `json:"image,omitempty"`

	// imagePullSecrets are names of Secrets in the Workspace's namespace that are used to pull the pod's images.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	ImagePullSecrets []string `json:"imagePullSecrets,omitempty"`

	// modelAccessSecret is the name of a Secret in the Workspace's namespace whose key HF_TOKEN is a Hugging Face token;
	// needed for gated models.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ModelAccessSecret string `json:"modelAccessSecret,omitempty"`
}

// AdapterSpec is one LoRA adapter.
type AdapterSpec struct {
	// source says where the adapter's files are. Its name is the model name by which clients ask for the adapter.
	// +required
	Source *DataSource `json:"source"`

	// strength is a number from 0 to 1 by which the adapter's weights are scaled; default "1.0". vLLM serves adapters at
	// full strength only: another value is reported in status and the Workspace is not served.
	// +kubebuilder:validation:Pattern=`^(0(\.[0-9]+)?|1(\.0+)?)$`
	// +optional
	Strength *string `json:"strength,omitempty"`
}

// DataSource is where the files of an adapter are.
//
// +kubebuilder:validation:XValidation:rule="[has(self.urls), has(self.volumeSource), has(self.image)].filter(x, x).size() == 1",message="exactly one of image, volumeSource and urls must be set"
type DataSource struct {
	// name is the model name by which clients ask for the adapter: a DNS subdomain.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	// +required
	Name string `json:"name"`

	// urls are not supported by this operator; reported in status.
	// +kubebuilder:validation:MaxItems=100
	// +listType=atomic
	// +optional
	URLs []string `json:"urls,omitempty"`

	// volumeSource is a volume that holds the adapter's files at its root.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +optional
	Volume *corev1.VolumeSource `json:"volumeSource,omitempty"`

	// image is an OCI image that holds the adapter's files in its directory /data. It is mounted as an image volume.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Image string `json:"image,omitempty"`

	// imagePullSecrets are names of Secrets in the Workspace's namespace that are used to pull image.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	ImagePullSecrets []string `json:"imagePullSecrets,omitempty"`
}
