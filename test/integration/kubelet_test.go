// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// The pods are made by the real controllers; what a kubelet would tell of them is told here.

// pods are those of a Workspace that are not going, the model's or, by the other label, the Endpoint Picker's.
func (s *scene) pods(label, workspace string) []*corev1.Pod {
	s.t.Helper()
	list := &corev1.PodList{}
	s.Expect(s.List(s.t.Context(), list, client.InNamespace(s.namespace), client.MatchingLabels{label: workspace})).To(gomega.Succeed())
	var pods []*corev1.Pod
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil {
			pods = append(pods, &list.Items[i])
		}
	}
	return pods
}

// report lets every pod of a Workspace have a status; there must be as many as told.
func (s *scene) report(workspace string, count int, status func(*corev1.Pod)) {
	s.t.Helper()
	s.changes()
	s.until(func() error {
		pods := s.pods(v1beta1.LabelWorkspace, workspace)
		if len(pods) != count {
			return fmt.Errorf("%d pods of %s, want %d", len(pods), workspace, count)
		}
		for _, pod := range pods {
			before := pod.DeepCopy()
			status(pod)
			if err := s.Status().Patch(s.t.Context(), pod, client.MergeFrom(before)); err != nil {
				return err
			}
		}
		return nil
	})
}

// serve makes pods Ready, and those that follow them in a rollout, until the Workspace says that it serves.
func (s *scene) serve(workspace string) {
	s.t.Helper()
	s.changes()
	s.until(func() error {
		if err := s.readyPods(v1beta1.LabelWorkspace, workspace); err != nil {
			return err
		}
		ws := &v1beta1.Workspace{}
		if err := s.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: workspace}, ws); err != nil {
			return err
		}
		return compare(ws, "InferenceReady=True ReplicasReady")
	})
}

func (s *scene) readyPods(label, workspace string) error {
	for _, pod := range s.pods(label, workspace) {
		before := pod.DeepCopy()
		running(pod)
		if err := s.Status().Patch(s.t.Context(), pod, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}

func running(pod *corev1.Pod) {
	pod.Status.Phase = corev1.PodRunning
	podReady(pod, corev1.ConditionTrue)
	container(pod, corev1.ContainerStatus{Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}})
}

// loading is a pod whose container runs and is not Ready yet.
func loading(pod *corev1.Pod) {
	pod.Status.Phase = corev1.PodRunning
	podReady(pod, corev1.ConditionFalse)
	container(pod, corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}})
}

// unschedulable is a pod that the scheduler found no node for.
func unschedulable(pod *corev1.Pod) {
	pod.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
		Message: "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
	}}
}

// waiting is a pod whose container cannot start, or not again.
func waiting(reason, message string, before *corev1.ContainerStateTerminated) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.Phase = corev1.PodPending
		podReady(pod, corev1.ConditionFalse)
		status := corev1.ContainerStatus{
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
		}
		if before != nil {
			status.LastTerminationState.Terminated, status.RestartCount = before, 3
		}
		container(pod, status)
	}
}

// terminated is a pod whose container just ended.
func terminated(end *corev1.ContainerStateTerminated) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		podReady(pod, corev1.ConditionFalse)
		container(pod, corev1.ContainerStatus{State: corev1.ContainerState{Terminated: end}, RestartCount: 2})
	}
}

// restarted is a pod whose container runs again after it ended.
func restarted(end *corev1.ContainerStateTerminated) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		loading(pod)
		pod.Status.ContainerStatuses[0].LastTerminationState.Terminated = end
		pod.Status.ContainerStatuses[0].RestartCount = 3
	}
}

func podReady(pod *corev1.Pod, ready corev1.ConditionStatus) {
	pod.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
		{Type: corev1.ContainersReady, Status: ready},
		{Type: corev1.PodReady, Status: ready},
	}
}

func container(pod *corev1.Pod, status corev1.ContainerStatus) {
	status.Name, status.Image = pod.Spec.Containers[0].Name, pod.Spec.Containers[0].Image
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{status}
}
