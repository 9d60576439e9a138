// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	corev1 "k8s.io/api/core/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
)

// llmdRouter is the chart llm-d-router-gateway, into which llm-d took the inferencepool chart. What we set is the same in
// all versions listed.
type llmdRouter struct{}

func (llmdRouter) versions() []string { return []string{"v0.9.0", "v0.10.0"} }

func (llmdRouter) podLabel() string { return "llm-d-router-gateway" }

func (d llmdRouter) contents(s settings) (contents, error) {
	values, err := encode(d.values(s))
	if err != nil {
		return contents{}, err
	}
	patches := []patch{patchDeployment(hardened(s))}
	if !coversChartDefaults(s.epp.Resources) {
		patches = append(patches, patchDeployment(replacedResources(s)))
	}
	postRenderers, err := post(patches...)
	return contents{values: values, postRenderers: postRenderers}, err
}

type llmdRouterValues struct {
	Router router `json:"router"`
}

type router struct {
	EPP           routerEPP          `json:"epp"`
	InferencePool routerPool         `json:"inferencePool"`
	ModelServers  routerModelServers `json:"modelServers"`
	Monitoring    monitoring         `json:"monitoring"`
}

type routerEPP struct {
	Replicas  int32                       `json:"replicas"`
	Image     image                       `json:"image"`
	Resources corev1.ResourceRequirements `json:"resources"`
	Affinity  *corev1.Affinity            `json:"affinity,omitempty"`

	Flags        flagMap              `json:"flags,omitempty"`
	Volumes      []corev1.Volume      `json:"volumes,omitempty"`
	VolumeMounts []corev1.VolumeMount `json:"volumeMounts,omitempty"`
}

type routerPool struct {
	FailureMode configv1alpha1.FailureMode `json:"failureMode"`
}

type routerModelServers struct {
	MatchLabels map[string]string `json:"matchLabels"`
	TargetPorts []targetPort      `json:"targetPorts"`
}

func (d llmdRouter) values(s settings) llmdRouterValues {
	epp := routerEPP{
		Replicas:  s.epp.Replicas,
		Image:     image{Tag: pinned(s.epp.Version, s.epp.Digest), PullPolicy: s.epp.PullPolicy},
		Resources: s.epp.Resources,
	}
	// Here the registry holds everything but the last part.
	epp.Image.Registry, epp.Image.Repository = hubAndName(s.epp.Image)
	if s.replicated() {
		epp.Affinity = spread(s, d.podLabel())
	}
	if s.tlsSecret != "" {
		epp.Flags = flagMap{}
		for _, f := range certificateFlags() {
			epp.Flags[f.Name] = f.Value
		}
		epp.Volumes, epp.VolumeMounts = certificateVolume(s)
	}
	return llmdRouterValues{Router: router{
		EPP:           epp,
		InferencePool: routerPool{FailureMode: s.epp.FailureMode},
		ModelServers:  routerModelServers{MatchLabels: s.selector, TargetPorts: []targetPort{{Number: s.port}}},
	}}
}
