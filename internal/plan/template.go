// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
)

// NewTemplate returns the plan of a Workspace that runs pods of the user's own: one pod per replica, with the GPUs that
// the template asks for itself, and a pool if its first container names a port.
func NewTemplate(ws *v1beta1.Workspace, f Facts) (Plan, error) {
	// KAITO's tuning Workspaces have no inference at all; they may have been stored before our rules applied.
	if ws.Inference == nil || ws.Inference.Template == nil {
		return Plan{}, invalidTemplate("there is neither inference.preset nor inference.template: write one of them")
	}
	template := ws.Inference.Template
	if len(template.Spec.Containers) == 0 {
		return Plan{}, invalidTemplate("inference.template has no containers: write inference.template.spec.containers with at least a name and an image")
	}
	replicas := replicasOf(ws, 1)
	if ws.Spec.Replicas == nil && ws.Inference.Replicas == nil && ws.Resource.Count != nil {
		replicas = max(0, *ws.Resource.Count)
	}
	plan := base(ws, Topology{Replicas: replicas, NodesPerReplica: 1, TensorParallel: 1, PipelineParallel: 1})
	plan.Port = portOf(template.Spec.Containers[0])
	plan.Models = namedModels(ws)
	plan.Template = template.DeepCopy()
	for _, name := range f.Config.ImagePullSecrets {
		secret := corev1.LocalObjectReference{Name: name}
		if !slices.Contains(plan.Template.Spec.ImagePullSecrets, secret) {
			plan.Template.Spec.ImagePullSecrets = append(plan.Template.Spec.ImagePullSecrets, secret)
		}
	}
	if plan.Port != 0 {
		plan.Pool = poolOf(ws, f)
		plan.Route = routeOf(ws, plan, f)
		plan.protect(ws, f.Config.Gateway)
	}
	plan.Unroutable = plan.Route == nil && asksForRoute(ws)
	return plan, nil
}

func invalidTemplate(message string) error {
	return &outcome.Terminal{Reason: v1beta1.ReasonInvalidTemplate, Err: errors.New(message)}
}

// namedModels are the names by which clients ask for a template.
func namedModels(ws *v1beta1.Workspace) []string {
	if ws.Inference == nil || ws.Inference.Gateway == nil {
		return nil
	}
	return ws.Inference.Gateway.Models
}

// namesPort says that a template gets a pool.
func namesPort(template *corev1.PodTemplateSpec) bool {
	return template != nil && len(template.Spec.Containers) > 0 && portOf(template.Spec.Containers[0]) != 0
}

// portOf returns the port that serves HTTP: the one that says so, else KAITO's 5000, else the first TCP port; 0 if
// there is none.
func portOf(c corev1.Container) int32 {
	ports := slices.DeleteFunc(slices.Clone(c.Ports), func(p corev1.ContainerPort) bool {
		return p.Protocol != "" && p.Protocol != corev1.ProtocolTCP
	})
	if len(ports) == 0 {
		return 0
	}
	for _, fits := range []func(corev1.ContainerPort) bool{
		func(p corev1.ContainerPort) bool { return p.Name == "http" },
		func(p corev1.ContainerPort) bool { return p.ContainerPort == ServerPort },
	} {
		if at := slices.IndexFunc(ports, fits); at >= 0 {
			return ports[at].ContainerPort
		}
	}
	return ports[0].ContainerPort
}
