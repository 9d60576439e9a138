// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// disruption lets the evictions of EPP pods happen one after the other. Only the leader counts as healthy, so a budget
// that keeps one healthy would never let the leader go and block the drain of its node. With everything allowed to be
// unavailable the budget is as large as the number of leaders: one while somebody leads, none during a fail-over.
func disruption(p plan.Plan, podLabel string) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: policyv1.SchemeGroupVersion.String(), Kind: "PodDisruptionBudget"},
		ObjectMeta: objectMeta(p, p.Names.EPP),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: new(intstr.FromString("100%")),
			Selector:       &metav1.LabelSelector{MatchLabels: map[string]string{podLabel: p.Names.EPP}},
		},
	}
}

// routerDisruption lets one pod of a router go at a time. All of them serve, so the last one stays until another does; those
// that do not serve hold up nobody who drains their node.
func routerDisruption(p plan.Plan) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: policyv1.SchemeGroupVersion.String(), Kind: "PodDisruptionBudget"},
		ObjectMeta: objectMeta(p, p.Names.Pool),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable:             new(intstr.FromInt32(1)),
			Selector:                   &metav1.LabelSelector{MatchLabels: map[string]string{routerPodLabel: p.Names.Pool}},
			UnhealthyPodEvictionPolicy: new(policyv1.AlwaysAllow),
		},
	}
}
