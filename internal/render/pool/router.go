// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fluxcd/pkg/apis/kustomize"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

const (
	// routerContainer is its name in the charts, routerPort where gateways ask it.
	routerContainer = "bbr"
	routerPort      = 9004
	// routerPodLabel is the key of the label that selects its pods; the value is the router's name.
	routerPodLabel = "app"
)

type routerChartValues struct {
	BBR              bodyRouter   `json:"bbr"`
	Provider         provider     `json:"provider"`
	InferenceGateway namedGateway `json:"inferenceGateway"`
}

type bodyRouter struct {
	Name     string    `json:"name"`
	Replicas int32     `json:"replicas"`
	Image    image     `json:"image"`
	Flags    flagMap   `json:"flags"`
	Plugins  *[]string `json:"plugins,omitempty"`
}

type provider struct {
	Name string `json:"name"`
}

type namedGateway struct {
	Name string `json:"name"`
}

// RenderRouter spells out what body-based routing at a Gateway consists of: the Flux objects that install it, the
// repository first, and, if it is replicated, what keeps evictions from taking all of it at once. No chart renders that.
func RenderRouter(r plan.Router) ([]Object, error) {
	if !slices.Contains(configv1alpha1.RouterVersions(), r.Settings.Version) {
		return nil, fmt.Errorf("body-based routing %s is not supported: choose one of %s",
			r.Settings.Version, strings.Join(configv1alpha1.RouterVersions(), ", "))
	}
	values, err := encode(routerValues(r))
	if err != nil {
		return nil, err
	}
	postRenderers, err := post(patchDeployment(routerPatch(r)), patchEnvoyFilter(routerFilter(r)))
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
		chart:     configv1alpha1.Chart{URL: r.Settings.ChartURL, Version: r.Settings.Version, Digest: r.Settings.Digest},
		timeout:   r.Flux.InstallTimeout.Duration,
	}
	repository, release := repository(p, s), release(p, s, contents{values: values, postRenderers: postRenderers})
	release.Spec.CommonMetadata = nil
	objects := []Object{repository, release}
	if r.Settings.Replicas > 1 {
		objects = append(objects, routerDisruption(p))
	}
	for _, object := range objects {
		all := object.GetLabels()
		maps.Copy(all, routerLabels(r))
		object.SetLabels(all)
	}
	return objects, nil
}

// routerLabels are on what belongs to a Gateway. Without a value the first names no Workspace, but the caches select by it.
func routerLabels(r plan.Router) map[string]string {
	return map[string]string{v1beta1.LabelWorkspace: "", v1beta1.LabelGateway: r.Name}
}

// routerValues are the values for the configured version.
func routerValues(r plan.Router) routerChartValues {
	i := image{Tag: r.Settings.Version, PullPolicy: corev1.PullIfNotPresent}
	if r.Settings.ImageDigest != "" {
		// Charts have no value for it, and put what they take for a tag behind a colon.
		i.Tag += "@" + r.Settings.ImageDigest
	}
	router := bodyRouter{Name: r.Name, Replicas: r.Settings.Replicas, Flags: flagMap{"v": "1"}}
	switch r.Settings.Version {
	case "v1.3.0", "v1.3.1":
		i.Hub, i.Name = hubAndName(r.Settings.Image)
	case "v1.4.0":
		i.Hub, i.Name = hubAndName(r.Settings.Image)
		// The chart's own names one that the router does not know, so that it ends as soon as it starts, with exit code 0
		// (gateway-api-inference-extension v1.4.0, cmd/bbr/runner/runner.go). Without plugins it does what all others do.
		router.Plugins = &[]string{}
	default:
		i.Registry, i.Repository = registryAndRepository(r.Settings.Image)
	}
	router.Image = i
	return routerChartValues{BBR: router, Provider: provider{Name: "istio"}, InferenceGateway: namedGateway{Name: r.Gateway}}
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
			Metadata labelsPart `json:"metadata"`
			Spec     routerPod  `json:"spec"`
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
	// By these the operator finds Deployment and pods, to tell whether the Gateway answers, and if not, why.
	d.Metadata.Labels = routerLabels(r)
	d.Spec.Template.Metadata = labelsPart{Labels: map[string]string{v1beta1.LabelManagedBy: v1beta1.ManagedBy, v1beta1.LabelGateway: r.Name}}
	d.Spec.Template.Spec = routerPod{
		SecurityContext:  base.Spec.Template.Spec.SecurityContext,
		ImagePullSecrets: base.Spec.Template.Spec.ImagePullSecrets,
		Affinity:         spread(settings{names: plan.Names{EPP: r.Name}}, routerPodLabel),
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

// routerFilter makes the filter the same in all versions: for this Gateway alone, under a name that Istio does not give to
// its own filters, which routes configure by name (charts up to v1.4.0 hook the router into every proxy of the namespace,
// sidecars too, and name it like the one that asks Endpoint Pickers).
// It keeps responses out of the router, which holds them back until they are complete: no answer would be streamed any more
// (gateway-api-inference-extension v1.5.0, pkg/bbr/handlers/server.go). Nor may a long prompt, which takes its time to
// arrive, end in Envoy's default timeout of 200 ms.
func routerFilter(r plan.Router) []operation {
	const (
		hook   = "/spec/configPatches/0/"
		config = hook + "patch/value/typed_config/"
	)
	return []operation{
		{Op: "add", Path: "/spec/targetRefs", Value: []targetRef{{Group: "gateway.networking.k8s.io", Kind: "Gateway", Name: r.Gateway}}},
		{Op: "add", Path: hook + "match/context", Value: "GATEWAY"},
		{Op: "replace", Path: hook + "patch/value/name", Value: "envoy.filters.http.ext_proc.bbr"},
		{Op: "replace", Path: config + "processing_mode/response_header_mode", Value: "SKIP"},
		{Op: "replace", Path: config + "processing_mode/response_body_mode", Value: "NONE"},
		{Op: "replace", Path: config + "processing_mode/response_trailer_mode", Value: "SKIP"},
		{Op: "add", Path: config + "message_timeout", Value: "1000s"},
	}
}

type targetRef struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
	Name  string `json:"name"`
}

func patchEnvoyFilter(body any) patch {
	return patch{target: kustomize.Selector{Group: "networking.istio.io", Version: "v1alpha3", Kind: "EnvoyFilter"}, body: body}
}
