// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"encoding/json"
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/kustomize"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// eppContainer is the EPP container's name in every chart.
const eppContainer = "epp"

// eppPause and routerPause, in seconds, are how long gateways get to hear that a pod goes.
const (
	eppPause    = 5
	routerPause = 10
)

// The structs below are the parts of a Deployment that we patch. The API's own types would write out their required
// fields too, and a patch with "selector: null" takes the selector away.
type deploymentPatch struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"`
	Metadata   patchMetadata      `json:"metadata"`
	Spec       deploymentSpecPart `json:"spec"`
}

type patchMetadata struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
}

type deploymentSpecPart struct {
	Strategy *strategyPart `json:"strategy,omitempty"`
	Template templatePart  `json:"template"`
}

type strategyPart struct {
	Type appsv1.DeploymentStrategyType `json:"type"`
}

type templatePart struct {
	Metadata labelsPart `json:"metadata"`
	Spec     podPart    `json:"spec"`
}

type labelsPart struct {
	Labels map[string]string `json:"labels"`
}

type podPart struct {
	Affinity         *corev1.Affinity              `json:"affinity,omitempty"`
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	SecurityContext  *corev1.PodSecurityContext    `json:"securityContext"`
	Containers       []containerPart               `json:"containers"`
}

type containerPart struct {
	Name            string                       `json:"name"`
	Args            []string                     `json:"args,omitempty"`
	Resources       *corev1.ResourceRequirements `json:"resources,omitempty"`
	SecurityContext *corev1.SecurityContext      `json:"securityContext"`
	Lifecycle       *corev1.Lifecycle            `json:"lifecycle,omitempty"`
}

// operation is one step of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// deletion removes an object that the chart rendered.
type deletion struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Metadata   patchMetadata `json:"metadata"`
	Patch      string        `json:"$patch"`
}

// hardened is the patch that every version of every chart needs: none has values for what restricted Pod Security asks.
func hardened(s settings) deploymentPatch {
	pod := podPart{
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot:   new(true),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []containerPart{{
			Name: eppContainer,
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false),
				ReadOnlyRootFilesystem:   new(true),
				Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			Lifecycle: pause(eppPause),
		}},
	}
	for _, name := range s.secrets {
		pod.ImagePullSecrets = append(pod.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
	}
	return deploymentPatch{
		APIVersion: "apps/v1", Kind: "Deployment", Metadata: patchMetadata{Name: s.names.EPP},
		Spec: deploymentSpecPart{Strategy: rolling(s), Template: templatePart{
			// By these the operator finds the pods, to tell why one does not start.
			Metadata: labelsPart{Labels: map[string]string{
				v1beta1.LabelManagedBy: v1beta1.ManagedBy, v1beta1.LabelEndpointPicker: s.workspace,
			}},
			Spec: pod,
		}},
	}
}

// pause has a container go on to answer until gateways have heard that its pod goes. What they ask it as it ends is lost:
// Envoy does without an answer only as long as it has not sent a body.
func pause(seconds int64) *corev1.Lifecycle {
	return &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: seconds}}}
}

// rolling starts the new EPP before the old one ends. The charts end the old one first, as only one can lead; a lone EPP
// does not have to.
func rolling(s settings) *strategyPart {
	if s.replicated() {
		return nil
	}
	return &strategyPart{Type: appsv1.RollingUpdateDeploymentStrategyType}
}

// container is the EPP's part of the patch.
func (d *deploymentPatch) container() *containerPart { return &d.Spec.Template.Spec.Containers[0] }

// spread asks for EPPs on different nodes, but lets a cluster of one node have its stand-by too.
func spread(s settings, podLabel string) *corev1.Affinity {
	return &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
			Weight: 100,
			PodAffinityTerm: corev1.PodAffinityTerm{
				TopologyKey:   corev1.LabelHostname,
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{podLabel: s.names.EPP}},
			},
		}},
	}}
}

// replacedResources take the place of what the chart rendered, since values can add to a chart's defaults but cannot take
// from them. The EPP is the only container: we enable no sidecar.
func replacedResources(s settings) []operation {
	return []operation{{Op: "replace", Path: "/spec/template/spec/containers/0/resources", Value: s.epp.Resources}}
}

// failureMode is set on pools of charts which leave it to the CRD's default, FailClose.
func failureMode(mode configv1alpha1.FailureMode) []operation {
	return []operation{{Op: "add", Path: "/spec/endpointPickerRef/failureMode", Value: mode}}
}

// post makes a post-renderer out of patches.
func post(patches ...patch) ([]helmv2.PostRenderer, error) {
	rendered := make([]kustomize.Patch, 0, len(patches))
	for _, p := range patches {
		// JSON is YAML too, and takes a tenth of the time to write.
		text, err := json.MarshalIndent(p.body, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("encoding the patch of the chart's %s: %w", p.target.Kind, err)
		}
		rendered = append(rendered, kustomize.Patch{Patch: string(text), Target: &p.target})
	}
	return []helmv2.PostRenderer{{Kustomize: &helmv2.Kustomize{Patches: rendered}}}, nil
}

// patch is one change to all objects of a kind that a chart rendered.
type patch struct {
	target kustomize.Selector
	body   any
}

func patchDeployment(body any) patch {
	return patch{target: kustomize.Selector{Group: "apps", Version: "v1", Kind: "Deployment"}, body: body}
}

func patchInferencePool(body any) patch {
	return patch{target: kustomize.Selector{Group: "inference.networking.k8s.io", Version: "v1", Kind: "InferencePool"}, body: body}
}

func dropClusterRole(kind string) patch {
	const group, version = "rbac.authorization.k8s.io", "v1"
	return patch{
		target: kustomize.Selector{Group: group, Version: version, Kind: kind},
		body:   deletion{APIVersion: group + "/" + version, Kind: kind, Metadata: patchMetadata{Name: "any"}, Patch: "delete"},
	}
}
