// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/preset"
)

// ServerPort is where a preset's server listens, as in KAITO; users' own Services and probes name it.
const ServerPort = 5000

// New returns the plan of a Workspace that serves preset p, or an *outcome.Terminal that says what must change.
func New(ws *v1beta1.Workspace, p preset.Preset, f Facts) (Plan, error) {
	if err := checkRuntime(ws); err != nil {
		return Plan{}, err
	}
	if err := checkToken(ws, p, f); err != nil {
		return Plan{}, err
	}
	adapters, err := adaptersOf(ws, p)
	if err != nil {
		return Plan{}, err
	}
	user, err := parseConfig(f.InferenceConfig)
	if err != nil {
		return Plan{}, err
	}
	gpus, err := offerFor(ws.Resource, f, p)
	if err != nil {
		return Plan{}, err
	}
	need, err := demandFor(p, user, len(adapters), gpus)
	if err != nil {
		return Plan{}, err
	}
	t, fits := size(need, gpus.Accelerator)
	if !fits {
		return Plan{}, need.doesNotFit(gpus, f.Instances)
	}
	t.Replicas = replicasOf(ws, 1)

	plan := base(ws, t)
	plan.Port = ServerPort
	plan.Models = modelNames(p, adapters)
	plan.PlannedFor = gpus.hold(ws.Resource)
	plan.Server = server(ws, p, f, serverParts{topology: t, demand: need, user: user, adapters: adapters})
	plan.Pool = poolOf(ws, f)
	plan.Route = routeOf(ws, plan, f)
	plan.protect(ws, f.Config.Gateway)
	plan.Unroutable = plan.Route == nil && asksForRoute(ws)
	return plan, nil
}

// base returns what presets and templates have in common.
func base(ws *v1beta1.Workspace, t Topology) Plan {
	return Plan{
		Namespace:    ws.Namespace,
		Name:         ws.Name,
		Owner:        *metav1.NewControllerRef(ws, v1beta1.GroupVersion.WithKind("Workspace")),
		Topology:     t,
		Names:        namesOf(ws.Name, t),
		LoadBalancer: ws.Annotations[v1beta1.AnnotationEnableLB] == "True",
		Scheduling:   schedulingOf(ws.Resource),
		Rollout:      rolloutOf(ws.Inference.Rollout),
	}
}

func checkRuntime(ws *v1beta1.Workspace) error {
	runtime := ws.Annotations[v1beta1.AnnotationRuntime]
	if runtime == "" || runtime == "vllm" {
		return nil
	}
	return &outcome.Terminal{
		Reason: v1beta1.ReasonRuntimeNotSupported,
		Err: fmt.Errorf("runtime %q is not supported: remove the annotation %s to serve with vLLM, or run pods of your own with inference.template",
			quoted(runtime), v1beta1.AnnotationRuntime),
	}
}

// checkToken asks for a token where the model cannot be downloaded without. A platform may give all pods one.
func checkToken(ws *v1beta1.Workspace, p preset.Preset, f Facts) error {
	needed := p.Gated || p.TokenSecret == preset.TokenRequired
	given := ws.Inference.Preset.PresetOptions.ModelAccessSecret != "" ||
		slices.ContainsFunc(f.Config.ModelServer.Env, func(e corev1.EnvVar) bool { return e.Name == tokenKey })
	if !needed || given {
		return nil
	}
	return &outcome.Terminal{
		Reason: v1beta1.ReasonSecretNotFound,
		Err: fmt.Errorf("preset %s is gated: create a Secret with key %s and name it in inference.preset.presetOptions.modelAccessSecret",
			p.Name, tokenKey),
	}
}

func modelNames(p preset.Preset, adapters []Adapter) []string {
	names := []string{p.Name}
	for _, a := range adapters {
		names = append(names, a.Name)
	}
	return names
}

// replicasOf is what the scale subresource wrote, else what the manifest says.
func replicasOf(ws *v1beta1.Workspace, otherwise int32) int32 {
	for _, wanted := range []*int32{ws.Spec.Replicas, ws.Inference.Replicas} {
		if wanted != nil {
			return max(0, *wanted)
		}
	}
	return otherwise
}

// schedulingOf turns the label selector into node requirements, in a stable order.
func schedulingOf(r v1beta1.ResourceSpec) Scheduling {
	s := Scheduling{PreferredNodes: r.PreferredNodes, Tolerations: gpuTolerations()}
	if r.LabelSelector == nil {
		return s
	}
	for key, value := range r.LabelSelector.MatchLabels {
		s.Required = append(s.Required, corev1.NodeSelectorRequirement{
			Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{value},
		})
	}
	for _, e := range r.LabelSelector.MatchExpressions {
		// The four operators of label selectors have the same names in node selectors.
		s.Required = append(s.Required, corev1.NodeSelectorRequirement{
			Key: e.Key, Operator: corev1.NodeSelectorOperator(e.Operator), Values: slices.Sorted(slices.Values(e.Values)),
		})
	}
	slices.SortFunc(s.Required, func(a, b corev1.NodeSelectorRequirement) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(string(a.Operator), string(b.Operator)), slices.Compare(a.Values, b.Values))
	})
	return s
}

// gpuTolerations are those of GPU node pools: the device plugin's own taint, and the one that KAITO and AKS use.
func gpuTolerations() []corev1.Toleration {
	return []corev1.Toleration{
		{Key: "nvidia.com/gpu", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
		{Key: "sku", Operator: corev1.TolerationOpEqual, Value: "gpu", Effect: corev1.TaintEffectNoSchedule},
	}
}

// rolloutOf starts a new pod before an old one goes, unless the user says otherwise.
func rolloutOf(r *v1beta1.RolloutSpec) Rollout {
	rollout := Rollout{MaxSurge: intstr.FromInt32(1), MaxUnavailable: intstr.FromInt32(0)}
	if r == nil {
		return rollout
	}
	if r.MaxSurge != nil {
		rollout.MaxSurge = *r.MaxSurge
	}
	if r.MaxUnavailable != nil {
		rollout.MaxUnavailable = *r.MaxUnavailable
	}
	return rollout
}

// poolOf returns what to install in front of the model; nil while the feature gate is off.
func poolOf(ws *v1beta1.Workspace, f Facts) *Pool {
	if !f.Config.FeatureGates.GatewayAPIInferenceExtension {
		return nil
	}
	pool := &Pool{
		Selector:         map[string]string{v1beta1.LabelWorkspace: ws.Name},
		Registry:         f.Config.Registry,
		Chart:            f.Config.Chart,
		EPP:              f.Config.EndpointPicker,
		Flux:             f.Config.Flux,
		ImagePullSecrets: f.Config.ImagePullSecrets,
	}
	pool.Chart.URL = Image(f.Config.Registry, pool.Chart.URL)
	pool.EPP.Image = Image(f.Config.Registry, pool.EPP.Image)
	return pool
}
