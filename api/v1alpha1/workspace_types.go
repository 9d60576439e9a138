// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the older version of the Workspace API, kaito.sh/v1alpha1. It is served with the same schema as
// v1beta1, so that no conversion is needed and nothing is lost between the two.
//
// +kubebuilder:object:generate=true
// +groupName=kaito.sh
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// Workspace is kaito.sh/v1beta1's Workspace under its older version.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=workspaces,singular=workspace,scope=Namespaced,shortName={wk,wks},categories={workspace}
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
	Resource v1beta1.ResourceSpec `json:"resource,omitempty,omitzero"`

	// spec holds what the scale subresource writes, and nothing else.
	// +optional
	Spec v1beta1.ScaleSpec `json:"spec,omitempty,omitzero"`

	// inference says what is served: a preset of the catalogue, or a pod template.
	// +optional
	Inference *v1beta1.InferenceSpec `json:"inference,omitempty"`

	// tuning is KAITO's fine-tuning job. It is part of the schema so that such manifests get a clear answer, and is
	// always refused.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	Tuning *runtime.RawExtension `json:"tuning,omitempty"`

	// status is what the operator observed. Written by the operator alone.
	// +optional
	Status v1beta1.WorkspaceStatus `json:"status,omitempty,omitzero"`
}

// WorkspaceList is a list of Workspaces.
//
// +kubebuilder:object:root=true
type WorkspaceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Workspace `json:"items"`
}
