// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"

	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// TestStalePool: a pool is to be looked at again whose Endpoint Picker a Gateway did not find, whoever made the route.
func TestStalePool(t *testing.T) {
	t.Parallel()
	told := func(reason string) *inferencev1.InferencePool {
		value := metav1.ConditionFalse
		if reason == "ResolvedRefs" {
			value = metav1.ConditionTrue
		}
		return &inferencev1.InferencePool{Status: inferencev1.InferencePoolStatus{Parents: []inferencev1.ParentStatus{{
			Conditions: []metav1.Condition{{Type: "ResolvedRefs", Status: value, Reason: reason}},
		}}}}
	}
	picker := func(available int32) *appsv1.Deployment {
		return &appsv1.Deployment{Status: appsv1.DeploymentStatus{AvailableReplicas: available}}
	}
	ours, theirs := &plan.Plan{Pool: &plan.Pool{}, Route: &plan.Route{}}, &plan.Plan{Pool: &plan.Pool{}}
	for name, c := range map[string]struct {
		plan   *plan.Plan
		pool   *inferencev1.InferencePool
		picker *appsv1.Deployment
		want   bool
	}{
		"not found":                   {ours, told("InvalidExtensionRef"), picker(1), true},
		"not found, a user's route":   {theirs, told("InvalidExtensionRef"), picker(1), true},
		"found":                       {ours, told("ResolvedRefs"), picker(1), false},
		"nobody routes there":         {theirs, &inferencev1.InferencePool{}, picker(1), false},
		"not there":                   {ours, told("InvalidExtensionRef"), nil, false},
		"not available":               {theirs, told("InvalidExtensionRef"), picker(0), false},
		"no pool":                     {ours, nil, picker(1), false},
		"no plan":                     {nil, told("InvalidExtensionRef"), picker(1), false},
		"a pool that is to go, gated": {&plan.Plan{}, told("InvalidExtensionRef"), picker(1), false},
	} {
		in := status.Input{Plan: c.plan, Children: status.Children{InferencePool: c.pool, EPP: c.picker}}
		if got := status.StalePool(in); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
