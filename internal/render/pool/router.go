// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"github.com/fluxcd/pkg/apis/kustomize"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

const (
	// routerContainer is its name in the chart, routerPort where gateways ask it.
	routerContainer = "bbr"
	routerPort      = 9004
)

type routerChartValues struct {
	BBR              bodyRouter   `json:"bbr"`
	Provider         provider     `json:"provider"`
	InferenceGateway namedGateway `json:"inferenceGateway"`
}

type bodyRouter struct {
	Name     string  `json:"name"`
	Replicas int32   `json:"replicas"`
	Image    image   `json:"image"`
	Flags    flagMap `json:"flags"`
}

type provider struct {
	Name string `json:"name"`
}

type namedGateway struct {
	Name string `json:"name"`
}

// RenderRouter spells out the Flux objects that install body-based routing at a Gateway, the repository first.
func RenderRouter(r plan.Router) ([]Object, error) {
	var i image
	i.Tag, i.PullPolicy = r.Settings.Version, corev1.PullIfNotPresent
	i.Registry, i.Repository = registryAndRepository(r.Settings.Image)
	values, err := encode(routerChartValues{
		BBR:              bodyRouter{Name: r.Name, Replicas: r.Settings.Replicas, Image: i, Flags: flagMap{"v": "1"}},
		Provider:         provider{Name: "istio"},
		InferenceGateway: namedGateway{Name: r.Gateway},
	})
	if err != nil {
		return nil, err
	}
	postRenderers, err := post(patchDeployment(routerPatch(r)), patchEnvoyFilter(routerFilter()))
	if err != nil {
		return nil, err
	}
	// The same objects as a pool's, for something that belongs to a Gateway instead of a Workspace.
	p := plan.Plan{
		Namespace: r.Namespace, Owner: r.Owner, Names: plan.Names{Pool: r.Name},
		Pool: &plan.Pool{Flux: r.Flux},
	}
	s := settings{
		namespace: r.Namespace,
		chart:     configv1alpha1.Chart{URL: r.Settings.ChartURL, Version: r.Settings.Version},
		timeout:   r.Flux.InstallTimeout.Duration,
	}
	repository, release := repository(p, s), release(p, s, contents{values: values, postRenderers: postRenderers})
	release.Spec.CommonMetadata = nil
	for _, meta := range []*metav1.ObjectMeta{&repository.ObjectMeta, &release.ObjectMeta} {
		// Without a value it names no Workspace, but the caches select by it.
		meta.Labels[v1beta1.LabelWorkspace] = ""
		meta.Labels[v1beta1.LabelGateway] = r.Name
	}
	return []Object{repository, release}, nil
}

type routerPod struct {
	SecurityContext  *corev1.PodSecurityContext    `json:"securityContext"`
	Affinity         *corev1.Affinity              `json:"affinity,omitempty"`
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	Containers       []routerContainerPart         `json:"containers"`
}

type routerContainerPart struct {
	containerPart
	ReadinessProbe *corev1.Probe `json:"readinessProbe"`
}

type routerDeployment struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Metadata   patchMetadata `json:"metadata"`
	Spec       struct {
		Template struct {
			Spec routerPod `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

// routerPatch adds what the chart leaves out: without a probe requests are sent to routers that do not listen yet, and
// without the pause before they end, to those that do not listen any more.
func routerPatch(r plan.Router) routerDeployment {
	base := hardened(settings{names: plan.Names{EPP: r.Name}, secrets: r.ImagePullSecrets})
	container := base.Spec.Template.Spec.Containers[0]
	container.Name = routerContainer
	container.Lifecycle = pause(routerPause)
	container.Resources = &corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
	}
	d := routerDeployment{APIVersion: base.APIVersion, Kind: base.Kind, Metadata: base.Metadata}
	d.Spec.Template.Spec = routerPod{
		SecurityContext:  base.Spec.Template.Spec.SecurityContext,
		ImagePullSecrets: base.Spec.Template.Spec.ImagePullSecrets,
		Affinity:         spread(settings{names: plan.Names{EPP: r.Name}}, "app"),
		Containers: []routerContainerPart{{
			containerPart: container,
			// Not its health port, which says that all is well seconds before it has made its key and listens
			// (gateway-api-inference-extension v1.5.0, pkg/bbr/server/runserver.go).
			ReadinessProbe: &corev1.Probe{
				ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(routerPort)}},
				PeriodSeconds: 2,
			},
		}},
	}
	return d
}

// routerFilter keeps responses out of the router, which holds them back until they are complete: no answer would be
// streamed any more (gateway-api-inference-extension v1.5.0, pkg/bbr/handlers/server.go). Nor may a long prompt, which
// takes its time to arrive, end in Envoy's default timeout of 200 ms.
func routerFilter() []operation {
	const config = "/spec/configPatches/0/patch/value/typed_config/"
	return []operation{
		{Op: "replace", Path: config + "processing_mode/response_header_mode", Value: "SKIP"},
		{Op: "replace", Path: config + "processing_mode/response_body_mode", Value: "NONE"},
		{Op: "replace", Path: config + "processing_mode/response_trailer_mode", Value: "SKIP"},
		{Op: "add", Path: config + "message_timeout", Value: "1000s"},
	}
}

func patchEnvoyFilter(body any) patch {
	return patch{target: kustomize.Selector{Group: "networking.istio.io", Version: "v1alpha3", Kind: "EnvoyFilter"}, body: body}
}
