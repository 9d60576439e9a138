// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// templatePod is the user's pod with what the operator needs to find and to place it, and nothing else: its security
// context, probes and resources are the user's own.
func templatePod(p plan.Plan) corev1.PodTemplateSpec {
	user := p.Template.DeepCopy()
	merged := maps.Clone(user.Labels)
	if merged == nil {
		merged = map[string]string{}
	}
	// Ours win, or the Deployment would not select its own pods.
	maps.Copy(merged, labels(p))
	pod := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: merged, Annotations: user.Annotations, Finalizers: user.Finalizers},
		Spec:       user.Spec,
	}
	pod.Spec.Affinity = mergeAffinity(user.Spec.Affinity, p.Scheduling)
	pod.Spec.Tolerations = mergeTolerations(user.Spec.Tolerations, p.Scheduling.Tolerations)
	return pod
}
