// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// mergeAffinity adds the plan's wishes to those in affinity, which may be nil and is not changed. Nil if there are none.
func mergeAffinity(affinity *corev1.Affinity, s plan.Scheduling) *corev1.Affinity {
	if len(s.Required) == 0 && len(s.PreferredNodes) == 0 {
		return affinity.DeepCopy()
	}
	merged := orEmpty(affinity)
	merged.NodeAffinity = orEmpty(merged.NodeAffinity)
	nodes := merged.NodeAffinity
	if len(s.Required) > 0 {
		nodes.RequiredDuringSchedulingIgnoredDuringExecution = require(nodes.RequiredDuringSchedulingIgnoredDuringExecution, s.Required)
	}
	nodes.PreferredDuringSchedulingIgnoredDuringExecution = append(
		nodes.PreferredDuringSchedulingIgnoredDuringExecution, prefer(s.PreferredNodes)...)
	return merged
}

// require adds the requirements to each alternative, since one alternative is enough for the scheduler.
func require(selector *corev1.NodeSelector, required []corev1.NodeSelectorRequirement) *corev1.NodeSelector {
	merged := orEmpty(selector)
	if len(merged.NodeSelectorTerms) == 0 {
		merged.NodeSelectorTerms = []corev1.NodeSelectorTerm{{}}
		selector = nil
	}
	for i := range merged.NodeSelectorTerms {
		term := &merged.NodeSelectorTerms[i]
		// A user's empty term matches no node; with our requirements it would match some.
		if selector != nil && len(term.MatchExpressions) == 0 && len(term.MatchFields) == 0 {
			continue
		}
		for _, requirement := range required {
			term.MatchExpressions = append(term.MatchExpressions, *requirement.DeepCopy())
		}
	}
	return merged
}

// prefer is one term per node: a field selector by name takes a single value.
func prefer(nodes []string) []corev1.PreferredSchedulingTerm {
	var terms []corev1.PreferredSchedulingTerm
	for _, node := range nodes {
		terms = append(terms, corev1.PreferredSchedulingTerm{
			Weight: 100,
			Preference: corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{{
				Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{node},
			}}},
		})
	}
	return terms
}

// withPodAntiAffinity adds the wish to stay apart; affinity may be nil.
func withPodAntiAffinity(affinity *corev1.Affinity, term corev1.WeightedPodAffinityTerm) *corev1.Affinity {
	merged := orEmpty(affinity)
	merged.PodAntiAffinity = orEmpty(merged.PodAntiAffinity)
	merged.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution = append(
		merged.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution, term)
	return merged
}

// mergeTolerations are base and those of more that base has not.
func mergeTolerations(base, more []corev1.Toleration) []corev1.Toleration {
	merged := slices.Clone(base)
	for _, toleration := range more {
		same := func(t corev1.Toleration) bool { return equality.Semantic.DeepEqual(t, toleration) }
		if !slices.ContainsFunc(merged, same) {
			merged = append(merged, *toleration.DeepCopy())
		}
	}
	return merged
}

// orEmpty is a copy of x, or a new zero value.
func orEmpty[T any, P interface {
	*T
	DeepCopy() P
}](x P) P {
	if x == nil {
		return new(T)
	}
	return x.DeepCopy()
}
