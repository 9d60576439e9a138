// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// trouble is why a pod does not serve, in the pod's own words.
type trouble struct {
	reason, message string
	// weight orders troubles: the heaviest is shown.
	weight int
}

// worst is the heaviest trouble of all pods that are not Ready; among equals the first by name, so that it stays.
func worst(pods []*corev1.Pod) trouble {
	var found trouble
	var name string
	for _, pod := range pods {
		t := troubleOf(pod)
		if t.weight > found.weight || t.weight == found.weight && t.weight > 0 && pod.Name < name {
			found, name = t, pod.Name
		}
	}
	return found
}

func troubleOf(pod *corev1.Pod) trouble {
	if pod.DeletionTimestamp != nil || isReady(pod) {
		return trouble{}
	}
	if pod.Status.Reason == "Evicted" {
		return trouble{v1beta1.ReasonEvicted, "pod was evicted: " + pod.Status.Message, 4}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return trouble{v1beta1.ReasonUnschedulable, "no node takes the pod: " + c.Message, 3}
		}
	}
	found := trouble{v1beta1.ReasonLoadingModel, "the pod starts or loads the model", 1}
	for _, s := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if t := containerTrouble(s); t.weight > found.weight {
			found = t
		}
	}
	return found
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func containerTrouble(s corev1.ContainerStatus) trouble {
	if s.Ready {
		return trouble{}
	}
	if w := s.State.Waiting; w != nil {
		switch w.Reason {
		case "ImagePullBackOff", "ErrImagePull", "ImageInspectError", "ErrImageNeverPull", "RegistryUnavailable", "SignatureValidationFailed":
			return trouble{v1beta1.ReasonImagePullBackOff, pullMessage(s.Image, w.Message), 6}
		case "InvalidImageName":
			return trouble{v1beta1.ReasonInvalidImageName, fmt.Sprintf("image %q is no valid name", s.Image), 6}
		case "CreateContainerConfigError":
			return trouble{v1beta1.ReasonCreateContainerConfigError, w.Message, 6}
		case "CreateContainerError", "RunContainerError":
			return trouble{v1beta1.ReasonCreateContainerError, w.Message, 6}
		}
	}
	// The last end counts while the container restarts, runs again without being Ready, or waits: else the condition
	// would change with each of these.
	end := s.State.Terminated
	if end == nil {
		end = s.LastTerminationState.Terminated
	}
	if end == nil || end.ExitCode == 0 && s.State.Terminated == nil && s.RestartCount == 0 {
		return trouble{}
	}
	return exitTrouble(s.Name, end)
}

func exitTrouble(container string, end *corev1.ContainerStateTerminated) trouble {
	// What cannot be started waits as RunContainerError and as CrashLoopBackOff in turns.
	if end.Reason == "StartError" || end.Reason == "ContainerCannotRun" {
		return trouble{v1beta1.ReasonCreateContainerError, end.Message, 6}
	}
	if end.Reason == "OOMKilled" {
		return trouble{v1beta1.ReasonOOMKilled, fmt.Sprintf(
			"container %s was killed for using more memory than its limit: raise the limit", container), 8}
	}
	message := fmt.Sprintf("container %s ends with exit code %d", container, end.ExitCode)
	if text := lastLines(end.Message); text != "" {
		message += ": " + text
	}
	return trouble{v1beta1.ReasonCrashLoopBackOff, message, 7}
}

// pullMessage is the error of the pull. The kubelet alternates between the error and a back-off that quotes it.
func pullMessage(image, message string) string {
	if _, cause, ok := strings.Cut(message, "ErrImagePull: "); ok {
		message = cause
	}
	if message == "" || strings.HasPrefix(message, "Back-off pulling image") {
		return fmt.Sprintf("image %s cannot be pulled", image)
	}
	return fmt.Sprintf("image %s cannot be pulled: %s", image, message)
}

// lastLines is the end of a container's last words, which is where programs put the error.
func lastLines(text string) string {
	const limit = 512
	text = strings.TrimSpace(text)
	if len(text) > limit {
		text = "…" + strings.ToValidUTF8(text[len(text)-limit:], "")
	}
	return text
}
