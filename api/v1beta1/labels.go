// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1beta1

const (
	// LabelWorkspace is on every object that a Workspace makes, its value is the Workspace's name. It is also what the
	// InferencePool and the client Service select.
	LabelWorkspace = "kaito.sh/workspace"

	// LabelManagedBy and ManagedBy mark every object that the operator writes. Caches select by them.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of LabelManagedBy, and the field manager of every write.
	ManagedBy = "workspace-operator"

	// LabelEndpointPicker is on the Endpoint Picker's pods, its value is the Workspace's name. They must not carry
	// LabelWorkspace: the pool would select them.
	LabelEndpointPicker = "kaito.sh/endpoint-picker"

	// LabelPodIndex is set by the StatefulSet controller (Kubernetes 1.28 and later).
	LabelPodIndex = "apps.kubernetes.io/pod-index"

	// LabelGateway is on what the operator makes once for a Gateway, its value is the name of the router there.
	LabelGateway = "kaito.sh/gateway"

	// LabelPreset marks a ConfigMap of the operator's namespace, value "true", as additions to the preset catalogue.
	LabelPreset = "kaito.sh/presets"

	// AnnotationRuntime is KAITO's choice between vllm (default) and transformers. Only vllm is served.
	AnnotationRuntime = "kaito.sh/runtime"

	// AnnotationEnableLB asks, with the value True, for a client Service of type LoadBalancer.
	AnnotationEnableLB = "kaito.sh/enablelb"

	// AnnotationTouched is on an InferencePool that a gateway was made to look at again, its value is when.
	AnnotationTouched = "kaito.sh/touched-at"

	// AnnotationWorkloadHash is on the workload: the hash of what was last sent through a dry run.
	AnnotationWorkloadHash = "kaito.sh/workload-hash"

	// AnnotationPlannedFor is on a workload whose plan follows from nodes: what these offered then.
	AnnotationPlannedFor = "kaito.sh/planned-for"

	// AnnotationConfigHash is on the pod template: the hash of the merged inference configuration.
	AnnotationConfigHash = "kaito.sh/config-hash"
)
