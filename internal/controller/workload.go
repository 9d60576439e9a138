// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/apply"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/workload"
)

// rejectedInterval is how often a refused workload is offered again: quota and policy can change without an event.
const rejectedInterval = 30 * time.Second

// applyWorkload asks the API server whether it would admit the workload, and writes it with its Services.
func (r *run) applyWorkload(ctx context.Context) error {
	if r.planErr != nil {
		return nil
	}
	w, err := workload.Render(r.plan)
	if err != nil {
		r.workloadErr = err
		return nil
	}
	if r.workloadErr = r.admit(ctx, w); r.workloadErr != nil {
		return nil
	}
	r.shape = w.Shape()
	for _, obj := range w.Services {
		changing, err := r.apply(ctx, obj)
		r.workloadChanging = r.workloadChanging || changing
		r.workloadErr = errors.Join(r.workloadErr, err)
	}
	if r.workloadErr != nil {
		return nil
	}
	for _, obj := range w.Workloads() {
		if !r.mayRoll(obj) {
			// The StatefulSet that rolls now brings us back when it is Ready.
			r.wanted = append(r.wanted, obj)
			r.workloadChanging = true
			continue
		}
		changing, err := r.apply(ctx, obj)
		r.workloadChanging = r.workloadChanging || changing
		r.workloadErr = errors.Join(r.workloadErr, err)
	}
	if r.workloadErr == nil && !r.workloadChanging && r.lacksPods() {
		r.workloadErr = r.admitPod(ctx, w.Pod())
	}
	return nil
}

// lacksPods says that the controller of StatefulSets has tried to make all pods and could not. It counts a pod when it
// has made it, before it writes its status for the first time.
func (r *run) lacksPods() bool {
	return slices.ContainsFunc(r.children.StatefulSets, func(s *appsv1.StatefulSet) bool {
		return s.DeletionTimestamp == nil && s.Spec.Replicas != nil &&
			s.Status.ObservedGeneration == s.Generation && s.Status.Replicas < *s.Spec.Replicas
	})
}

// keepServing has pool and route follow the workload that is there, while a new revision of it cannot be written.
func (r *run) keepServing(context.Context) error {
	if r.planErr != nil || r.workloadErr == nil {
		return nil
	}
	if shape := r.children.WorkloadShape(); shape != "" {
		r.shape = shape
	}
	// A preset's port never changes.
	if served := r.children.InferencePool; served != nil && r.plan.Template != nil && len(served.Spec.TargetPorts) == 1 {
		r.plan.Port = int32(served.Spec.TargetPorts[0].Number)
	}
	return nil
}

// admit sends the first workload whose content changed through a dry run; those of one Workspace differ in name only.
func (r *run) admit(ctx context.Context, w workload.Workload) error {
	for _, obj := range w.Workloads() {
		if r.admitted(obj) {
			continue
		}
		admitted, err := r.applier.DryRun(ctx, obj, r.children.Find(obj))
		if err != nil {
			return r.refused(rejection(obj, err), err)
		}
		if w.Shape() == plan.ShapeStatefulSet {
			if err := r.admitPod(ctx, w.Pod()); err != nil {
				return err
			}
		}
		err = r.selectable(admitted)
		return r.refused(err, err)
	}
	return nil
}

// admitPod asks about one pod of a StatefulSet: unlike a Deployment, a StatefulSet does not say in its status why its
// pods are refused.
func (r *run) admitPod(ctx context.Context, pod *corev1.Pod) error {
	if err := r.client.Create(ctx, pod, client.DryRunAll); err != nil {
		return r.refused(rejection(pod, err), err)
	}
	return nil
}

// refused counts a refusal by the reason of the API server's answer, or by our own where we refuse what it admits.
func (r *run) refused(refusal, answer error) error {
	waiting, ok := errors.AsType[*outcome.Waiting](refusal)
	if !ok {
		return refusal
	}
	reason := waiting.Reason
	if reason == v1beta1.ReasonWorkloadRejected {
		reason = string(apierrors.ReasonForError(answer))
	}
	r.metrics.Refused(reason)
	return refusal
}

// admitted says whether exactly this content went through a dry run before: it is what the object was written with.
func (r *run) admitted(obj client.Object) bool {
	cached := r.children.Find(obj)
	return cached != nil && cached.GetAnnotations()[v1beta1.AnnotationWorkloadHash] == obj.GetAnnotations()[v1beta1.AnnotationWorkloadHash]
}

// rejection tells a refusal, which only a change of quota, policy or Workspace can lift, from an error to be retried.
func rejection(obj client.Object, err error) error {
	if taken, ok := errors.AsType[*apply.TakenError](err); ok {
		return nameTaken(taken)
	}
	answer, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return err
	}
	switch code := answer.Status().Code; code {
	case http.StatusConflict, http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusRequestTimeout:
		return err
	default:
		if code < http.StatusBadRequest || code >= http.StatusInternalServerError {
			return err
		}
	}
	return &outcome.Waiting{
		Reason: v1beta1.ReasonWorkloadRejected, After: rejectedInterval,
		Message: fmt.Sprintf("the API server refuses %s %s: %s",
			obj.GetObjectKind().GroupVersionKind().Kind, obj.GetName(), answer.Status().Message),
	}
}

// selectable checks that the pool would find the pods as they were admitted: webhooks can rewrite labels.
func (r *run) selectable(admitted client.Object) error {
	if r.plan.Pool == nil {
		return nil
	}
	var labels map[string]string
	switch w := admitted.(type) {
	case *appsv1.Deployment:
		labels = w.Spec.Template.Labels
	case *appsv1.StatefulSet:
		labels = w.Spec.Template.Labels
	}
	for key, value := range r.plan.Pool.Selector {
		if labels[key] != value {
			return &outcome.Waiting{Reason: v1beta1.ReasonSelectorDrift, After: rejectedInterval, Message: fmt.Sprintf(
				"the pods are admitted with label %s=%q instead of %q, so the pool would not select them: exempt them from the webhook that changes it",
				key, labels[key], value)}
		}
	}
	return nil
}

// mayRoll holds back the update of a StatefulSet that serves while another one does not: a model over several nodes
// restarts as a whole, so its replicas take turns.
func (r *run) mayRoll(obj client.Object) bool {
	cached, ok := r.children.Find(obj).(*appsv1.StatefulSet)
	if !ok || r.plan.Topology.Replicas < 2 || r.admitted(obj) || !allReady(cached, r.plan.Topology) {
		return true
	}
	if r.workloadChanging {
		return false
	}
	for _, other := range r.children.StatefulSets {
		if other.Name != cached.Name && !allReady(other, r.plan.Topology) {
			return false
		}
	}
	return true
}

// allReady says that every pod serves with the newest revision. Its controller counts pods before it replaces them: those
// of the old one are still Ready in the first status that it writes for the new generation.
func allReady(s *appsv1.StatefulSet, t plan.Topology) bool {
	return s.Status.ObservedGeneration == s.Generation &&
		s.Status.ReadyReplicas == t.NodesPerReplica && s.Status.UpdatedReplicas == t.NodesPerReplica
}
