// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

const (
	// historyLimit is enough to roll back by hand; old ReplicaSets and ControllerRevisions cost every list.
	historyLimit = 3
	// pullAllowance is what scheduling and pulling vLLM's image of many GB may take before a rollout counts as stuck.
	pullAllowance = 15 * time.Minute
	// templateDeadline is for pods of which nothing is known but that they probably load a model.
	templateDeadline = 30 * time.Minute
)

// loadDeadline is how long one pod of a preset may take until it is Ready.
func loadDeadline(p plan.Plan) time.Duration { return p.Server.LoadTimeout + pullAllowance }

// deployment runs replicas of pods that each serve on their own. Its selector is exactly KAITO's, which is immutable.
func deployment(p plan.Plan, pod corev1.PodTemplateSpec, deadline time.Duration) *appsv1.Deployment {
	// Each pod serves, like index 0 of a StatefulSet: so the pool and the Service can select pods of both while one
	// shape replaces the other.
	pod.Labels[v1beta1.LabelPodIndex] = "0"
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment"},
		ObjectMeta: objectMeta(p, p.Names.Workloads[0]),
		Spec: appsv1.DeploymentSpec{
			Replicas: new(p.Topology.Replicas),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{v1beta1.LabelWorkspace: p.Name}},
			Template: pod,
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{
					MaxSurge:       new(p.Rollout.MaxSurge),
					MaxUnavailable: new(p.Rollout.MaxUnavailable),
				},
			},
			RevisionHistoryLimit:    new(int32(historyLimit)),
			ProgressDeadlineSeconds: new(int32(deadline.Seconds())),
		},
	}
}
