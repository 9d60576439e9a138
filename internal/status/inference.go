// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// inference judges whether every replica of the current revision serves.
func inference(in Input) verdict {
	const condition = v1beta1.ConditionInferenceReady
	r := countReplicas(in)
	switch {
	case in.Plan == nil && r.exist == 0:
		return unplanned(in, condition)
	case in.WorkloadErr != nil:
		return refused(in, r)
	}
	switch {
	case r.complete() && r.wanted == 0:
		return yes(condition, v1beta1.ReasonScaledToZero, "replicas is 0: nothing runs, and nothing is asked to")
	case r.complete():
		return yes(condition, v1beta1.ReasonReplicasReady, "every replica serves")
	}
	if t := worst(in.Children.Pods); t.reason != "" && t.reason != v1beta1.ReasonLoadingModel {
		return steady(in, no(condition, t.reason, t.message))
	}
	if message := notCreated(in.Children.Deployments); message != "" {
		return no(condition, v1beta1.ReasonWorkloadRejected, message)
	}
	if r.outdated && r.exist > 0 {
		return no(condition, v1beta1.ReasonRolloutInProgress, fmt.Sprintf(
			"a new revision is rolled out; %d of %d replicas of it serve", r.ready, r.wanted))
	}
	if r.exist > r.wanted && r.ready >= r.wanted {
		return no(condition, v1beta1.ReasonRolloutInProgress, "replicas that are not wanted any more are removed")
	}
	return no(condition, v1beta1.ReasonLoadingModel, fmt.Sprintf(
		"%d of %d replicas serve; the others start or load the model", r.ready, r.wanted))
}

// refused is the verdict on a revision that cannot be written. The one before it is left alone.
func refused(in Input, r replicas) verdict {
	v := failed(v1beta1.ConditionInferenceReady, in.WorkloadErr)
	if r.serving > 0 {
		v.message += "; what served before goes on serving"
	}
	return v
}

// steady keeps the last words of a container that ends again in the same way: programs put times into them.
func steady(in Input, v verdict) verdict {
	c := previous(in, v.conditionType)
	if v.reason != v1beta1.ReasonCrashLoopBackOff || c == nil || c.Reason != v.reason {
		return v
	}
	before, _, _ := strings.Cut(c.Message, ": ")
	now, _, _ := strings.Cut(v.message, ": ")
	if before != now {
		return v
	}
	return keep(c)
}

// unplanned is the verdict on something that serves by an earlier plan, if anything does.
func unplanned(in Input, condition string) verdict {
	if c := previous(in, condition); c != nil && c.Reason != v1beta1.ReasonNotPlanned {
		return keep(c)
	}
	reason, message := Explain(in.PlanErr)
	return no(condition, v1beta1.ReasonNotPlanned, reason+": "+message)
}

// replicas counts copies of the model: pods of a Deployment, or StatefulSets.
type replicas struct {
	// wanted is what the plan asks for, exist what is there, ready what serves of the current revision.
	wanted, exist, ready int32
	// population and serving count those of every revision and shape.
	population, serving int32
	// outdated says that pods of an older revision are still there, or that the workload's controller has not looked yet.
	outdated bool
}

func (r replicas) complete() bool { return !r.outdated && r.exist == r.wanted && r.ready == r.wanted }

func countReplicas(in Input) replicas {
	t := topology(in)
	r := replicas{wanted: t.Replicas, outdated: in.WorkloadChanging}
	r.countAll(in.Children)
	if t.MultiNode() {
		for _, s := range in.Children.StatefulSets {
			countStatefulSet(s, t, &r)
		}
		r.outdated = r.outdated || len(in.Children.Deployments) > 0
		return r
	}
	for _, d := range in.Children.Deployments {
		countDeployment(d, &r)
	}
	r.outdated = r.outdated || len(in.Children.StatefulSets) > 0
	return r
}

// topology is the plan's, or that of what runs by an earlier plan.
func topology(in Input) plan.Topology {
	if in.Plan != nil {
		return in.Plan.Topology
	}
	t := plan.Topology{NodesPerReplica: 1}
	for _, d := range in.Children.Deployments {
		t.Replicas = sizeOf(d.Spec.Replicas)
	}
	for _, s := range in.Children.StatefulSets {
		if pods := sizeOf(s.Spec.Replicas); pods > 0 {
			t.NodesPerReplica = pods
			t.Replicas++
		}
	}
	return t
}

// sizeOf reads spec.replicas, of which the API server's default is 1.
func sizeOf(replicas *int32) int32 {
	if replicas == nil {
		return 1
	}
	return *replicas
}

func (r *replicas) countAll(c Children) {
	for _, d := range c.Deployments {
		r.population += d.Status.Replicas
		r.serving += d.Status.ReadyReplicas
	}
	for _, s := range c.StatefulSets {
		if s.Status.Replicas == 0 {
			continue
		}
		r.population++
		// The set's controller may not have looked at a new size yet; the pods of the old one serve until then.
		if s.Status.ReadyReplicas == s.Status.Replicas && (s.Status.ObservedGeneration != s.Generation || s.Status.Replicas == sizeOf(s.Spec.Replicas)) {
			r.serving++
		}
	}
}

func countDeployment(d *appsv1.Deployment, r *replicas) {
	s := d.Status
	if s.ObservedGeneration != d.Generation {
		r.exist, r.outdated = s.Replicas, true
		return
	}
	r.exist = s.Replicas
	old := s.Replicas - s.UpdatedReplicas
	r.outdated = r.outdated || old > 0
	// Ready pods may be old ones; at least so many are not.
	r.ready = min(s.UpdatedReplicas, max(0, s.ReadyReplicas-old))
}

func countStatefulSet(s *appsv1.StatefulSet, t plan.Topology, r *replicas) {
	if s.Status.Replicas > 0 {
		r.exist++
	}
	if s.Status.ObservedGeneration != s.Generation || s.Status.UpdatedReplicas < s.Status.Replicas {
		r.outdated = true
		return
	}
	// One copy of the model needs all of its pods.
	if s.Status.Replicas > 0 && s.Status.ReadyReplicas == t.NodesPerReplica {
		r.ready++
	}
}

// cause leaves out the name of the pod that was tried, which no one will ever see again.
func cause(message string) string {
	if _, after, ok := strings.Cut(message, " is forbidden: "); ok && strings.HasPrefix(message, "pods ") {
		return after
	}
	return message
}

// notCreated is why the API server refuses the Deployment's pods: quota, Pod Security, a webhook.
func notCreated(deployments []*appsv1.Deployment) string {
	for _, d := range deployments {
		for _, c := range d.Status.Conditions {
			if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
				return "pods are refused: " + cause(c.Message)
			}
		}
	}
	return ""
}

// Serves says whether every replica of the workload that the plan asks for serves, whatever else still runs.
func Serves(in Input) bool {
	if in.Plan == nil || in.WorkloadErr != nil || in.WorkloadChanging {
		return false
	}
	current := in
	if in.Plan.Topology.MultiNode() {
		current.Children.Deployments = nil
	} else {
		current.Children.StatefulSets = nil
	}
	return countReplicas(current).complete()
}
