// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// nobody is the user of every model pod: that of distroless images, without a passwd entry in vLLM's.
const nobody = 65532

// serverPod is the pod template of a preset. It meets the restricted Pod Security Standard.
func serverPod(p plan.Plan, proc process) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels(p), Annotations: configAnnotation(*p.Server)},
		Spec: corev1.PodSpec{
			Containers:                    []corev1.Container{serverContainer(p, proc)},
			Volumes:                       volumes(p),
			ImagePullSecrets:              pullSecrets(p.Server.ImagePullSecrets),
			Affinity:                      mergeAffinity(nil, p.Scheduling),
			Tolerations:                   mergeTolerations(nil, p.Scheduling.Tolerations),
			TerminationGracePeriodSeconds: new(gracePeriod(p.Server.Args)),
			AutomountServiceAccountToken:  new(false),
			// A Service named vllm would put VLLM_PORT into the environment, which vLLM reads as its own setting.
			EnableServiceLinks: new(false),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true),
				RunAsUser:    new(int64(nobody)),
				RunAsGroup:   new(int64(nobody)),
				FSGroup:      new(int64(nobody)),
				// Weights may be hundreds of GB in many files; walking them at each start takes minutes.
				FSGroupChangePolicy: new(corev1.FSGroupChangeOnRootMismatch),
				SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		},
	}
}

// configAnnotation rolls the pods when the user's inference configuration changes. Nil without one.
func configAnnotation(s plan.Server) map[string]string {
	if s.ConfigHash == "" {
		return nil
	}
	return map[string]string{v1beta1.AnnotationConfigHash: s.ConfigHash}
}

// pullSecrets refers to each name once: server-side apply takes the list as a map and refuses duplicates.
func pullSecrets(names []string) []corev1.LocalObjectReference {
	var refs []corev1.LocalObjectReference
	seen := map[string]bool{}
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			refs = append(refs, corev1.LocalObjectReference{Name: name})
		}
	}
	return refs
}
