// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the operator's own configuration file, config.kaito.sh/v1alpha1: what a platform team decides once
// for all Workspaces. It is read with strict decoding at start; a change rolls the operator.
//
// +kubebuilder:object:generate=true
// +groupName=config.kaito.sh
package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Configuration is the file.
type Configuration struct {
	metav1.TypeMeta `json:",inline"`

	// featureGates switch whole capabilities.
	FeatureGates FeatureGates `json:"featureGates,omitempty"`
	// registry is a prefix for every image and chart that the operator causes to be pulled, for example
	// mirror.corp.example/kaito; empty uses the upstream registries.
	Registry string `json:"registry,omitempty"`
	// imagePullSecrets are added to every pod that the operator makes. They must exist in each Workspace's namespace.
	ImagePullSecrets []string `json:"imagePullSecrets,omitempty"`
	// modelServer is vLLM.
	ModelServer ModelServer `json:"modelServer,omitempty"`
	// chart is the InferencePool chart and where it comes from.
	Chart Chart `json:"chart,omitempty"`
	// endpointPicker is the EPP that the chart installs.
	EndpointPicker EndpointPicker `json:"endpointPicker,omitempty"`
	// flux holds what is set on Flux objects.
	Flux Flux `json:"flux,omitempty"`
	// gateway says how models are offered at Gateways.
	Gateway Gateway `json:"gateway,omitempty"`
}

// FeatureGates switch whole capabilities.
type FeatureGates struct {
	// gatewayAPIInferenceExtension makes an InferencePool with its Endpoint Picker for each Workspace. Default false. When
	// it is switched off, the pools that exist are removed.
	GatewayAPIInferenceExtension bool `json:"gatewayAPIInferenceExtension,omitempty"`
}

// ModelServer says which vLLM serves the models.
type ModelServer struct {
	// image is the repository of vLLM's image; default docker.io/vllm/vllm-openai.
	Image string `json:"image,omitempty"`
	// version is its tag.
	Version string `json:"version,omitempty"`
	// digest pins the image, sha256:…; optional.
	Digest string `json:"digest,omitempty"`
	// pullPolicy of the image; default IfNotPresent.
	PullPolicy corev1.PullPolicy `json:"pullPolicy,omitempty"`
	// weightsStorageClass is the StorageClass of the weights cache, one volume per pod; empty uses an emptyDir.
	WeightsStorageClass string `json:"weightsStorageClass,omitempty"`
	// resources are CPU and memory of each model pod beside its GPUs; default none, so that pods fit any GPU node.
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
	// env is added to each model container, for proxies and hub mirrors such as HF_ENDPOINT.
	Env []corev1.EnvVar `json:"env,omitempty"`
}

// ChartDialect names a family of charts, which share a values layout.
type ChartDialect string

const (
	// DialectInferencePool is the chart inferencepool of the Gateway API Inference Extension, v1.0.0 to v1.5.0.
	DialectInferencePool ChartDialect = "inferencepool"
	// DialectLLMDRouter is its successor, llm-d-router-gateway, v0.9 and v0.10.
	DialectLLMDRouter ChartDialect = "llm-d-router-gateway"
)

// Chart says which chart installs the pool.
type Chart struct {
	// dialect is inferencepool (default) or llm-d-router-gateway.
	Dialect ChartDialect `json:"dialect,omitempty"`
	// url is the chart's OCI URL; default the dialect's own.
	URL string `json:"url,omitempty"`
	// version is the chart's tag; default v1.5.0 for inferencepool, v0.10.0 for llm-d-router-gateway.
	Version string `json:"version,omitempty"`
	// digest pins the chart's artifact, sha256:…; optional.
	Digest string `json:"digest,omitempty"`
}

// FailureMode is what the gateway does when the Endpoint Picker does not answer.
type FailureMode string

const (
	// FailOpen sends the request to any pod of the pool.
	FailOpen FailureMode = "FailOpen"
	// FailClose refuses the request.
	FailClose FailureMode = "FailClose"
)

// EndpointPicker configures the EPP.
type EndpointPicker struct {
	// image is the EPP's image repository; default the chart's own.
	Image string `json:"image,omitempty"`
	// version is its tag; default the chart's version.
	Version string `json:"version,omitempty"`
	// digest pins the image, sha256:…; optional. It belongs to one version: change both together.
	Digest string `json:"digest,omitempty"`
	// pullPolicy of the image; default IfNotPresent.
	PullPolicy corev1.PullPolicy `json:"pullPolicy,omitempty"`
	// replicas is the number of EPP pods per pool; default 1. Beyond 1 one is active and the others stand by.
	Replicas int32 `json:"replicas,omitempty"`
	// failureMode is FailOpen (default) or FailClose.
	FailureMode FailureMode `json:"failureMode,omitempty"`
	// resources of the EPP container; default requests 100m CPU and 256Mi, limit 2Gi.
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
}

// Flux holds settings of the Flux objects.
type Flux struct {
	// labels are added to each Flux object, for controllers that watch with a label selector.
	Labels map[string]string `json:"labels,omitempty"`
	// serviceAccountName is the account in the Workspace's namespace that helm-controller impersonates; empty uses its own rights.
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// secretRef, certSecretRef and proxySecretRef are Secrets in the Workspace's namespace for pulling the chart.
	SecretRef      string `json:"secretRef,omitempty"`
	CertSecretRef  string `json:"certSecretRef,omitempty"`
	ProxySecretRef string `json:"proxySecretRef,omitempty"`
	// insecure allows plain HTTP for the chart registry. Default false.
	Insecure bool `json:"insecure,omitempty"`
	// verify checks the chart's signature.
	Verify *Verify `json:"verify,omitempty"`
	// installTimeout is how long Helm waits for the EPP; default 5m.
	InstallTimeout metav1.Duration `json:"installTimeout,omitempty"`
}

// Verify is how the chart's signature is checked.
type Verify struct {
	// provider is cosign or notation.
	Provider string `json:"provider"`
	// secretRef is the Secret with the public keys, in the Workspace's namespace; empty is keyless (cosign).
	SecretRef string `json:"secretRef,omitempty"`
	// matchOIDCIdentity are accepted identities of keyless signatures.
	MatchOIDCIdentity []OIDCIdentity `json:"matchOIDCIdentity,omitempty"`
}

// OIDCIdentity is a pair of regular expressions.
type OIDCIdentity struct {
	// issuer matches the OIDC issuer.
	Issuer string `json:"issuer"`
	// subject matches the identity.
	Subject string `json:"subject"`
}
