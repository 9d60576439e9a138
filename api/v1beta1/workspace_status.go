// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WorkspaceStatus is what the operator observed of a Workspace.
type WorkspaceStatus struct {
	// conditions are the current answers to what is ready, what is not, why, and what to do. See docs/conditions.md.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the Workspace that this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// workerNodes are the names of the Ready nodes that match resource, sorted; at most 100 are listed.
	// +listType=atomic
	// +optional
	WorkerNodes []string `json:"workerNodes,omitempty"`

	// targetNodeCount is the number of nodes that the plan needs: nodes per replica times replicas.
	// +optional
	TargetNodeCount int32 `json:"targetNodeCount,omitempty"`

	// replicas is the number of replicas that exist: Deployment pods, or StatefulSets of a model over several nodes.
	// +optional
	Replicas int32 `json:"replicas"`

	// readyReplicas is the number of replicas that serve, also those of an earlier revision.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`

	// readyOfReplicas is readyReplicas/wanted replicas, for people.
	// +optional
	ReadyOfReplicas string `json:"readyOfReplicas,omitempty"`

	// selector selects the serving pods, in string form, for autoscalers that read the scale subresource.
	// +optional
	Selector string `json:"selector,omitempty"`

	// workload is the object that runs the model.
	// +optional
	Workload *WorkloadStatus `json:"workload,omitempty"`

	// inferencePool is the pool and its Endpoint Picker; absent while the gate is off.
	// +optional
	InferencePool *InferencePoolStatus `json:"inferencePool,omitempty"`

	// endpoint is the URL to call: in the cluster, or the gateway's when a route is asked for.
	// +optional
	Endpoint string `json:"endpoint,omitempty"`

	// models are the model names that the endpoint answers to: the preset's first, then the adapters'; of a
	// template those of inference.gateway.models.
	// +listType=atomic
	// +optional
	Models []string `json:"models,omitempty"`
}

// WorkloadStatus names the object that runs the model.
type WorkloadStatus struct {
	// kind is Deployment, or StatefulSet for a model over several nodes.
	// +required
	Kind string `json:"kind"`
	// name is the object's name; the first one's when there are several StatefulSets.
	// +required
	Name string `json:"name"`
}

// InferencePoolStatus describes the deployed pool.
type InferencePoolStatus struct {
	// name of the InferencePool, the OCIRepository, the HelmRelease and the Helm release.
	// +required
	Name string `json:"name"`
	// eppService is the name of the Endpoint Picker's Service.
	// +required
	EPPService string `json:"eppService"`
	// chart is the URL of the chart.
	// +optional
	Chart string `json:"chart,omitempty"`
	// version is the chart version that is deployed; empty before the first install.
	// +optional
	Version string `json:"version,omitempty"`
	// digest is the digest of the chart artifact that is deployed; empty before the first install.
	// +optional
	Digest string `json:"digest,omitempty"`
}
