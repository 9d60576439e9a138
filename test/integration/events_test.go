// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// TestEvents: each change of a condition is in exactly one event, and a Workspace needs few of them to be Ready.
func TestEvents(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.node("a", 1)
	s.workspace("phi")
	s.ready("phi")
	s.announced("phi")
	crash := &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", Message: "ValueError: no such model"}
	// The same change twice is two events: they speak of different versions of the Workspace.
	for range 2 {
		s.step("a pod crashes")
		s.report("phi", 1, terminated(crash))
		s.expect("phi", "Ready=False CrashLoopBackOff")
		s.step("and recovers")
		s.serve("phi")
		s.expect("phi", "Ready=True Ready")
	}
	s.announced("phi")
	s.step("the pool goes while the pod loads")
	s.report("phi", 1, loading)
	s.expect("phi", "Ready=False LoadingModel")
	release := s.release("phi")
	s.edit(release, func() { release.Spec.Suspend = true })
	s.expect("phi", "InferencePoolReady=True Suspended", "Ready=False LoadingModel")
	s.announced("phi")

	s.step("one that only progresses")
	s.workspace("quick")
	s.ready("quick")
	s.announced("quick")
	s.Expect(len(s.events("quick"))).To(gomega.BeNumerically("<=", 6), "events from create to Ready, each state apart")
}

// events are those of a Workspace.
func (s *scene) events(name string) []eventsv1.Event {
	s.t.Helper()
	list := &eventsv1.EventList{}
	s.Expect(s.List(s.t.Context(), list, client.InNamespace(s.namespace))).To(gomega.Succeed())
	var out []eventsv1.Event
	for _, event := range list.Items {
		if event.Regarding.Kind == "Workspace" && event.Regarding.Name == name {
			out = append(out, event)
		}
	}
	return out
}

// announced compares the events of a Workspace with the conditions that were seen: each value that a condition took is
// announced once.
func (s *scene) announced(name string) {
	s.t.Helper()
	s.changes()
	want := map[string]int{}
	// The others, WorkspaceSucceeded, Reconciling and Stalled, follow from Ready and are told with it.
	for _, condition := range []string{
		v1beta1.ConditionReady, v1beta1.ConditionResourceReady, v1beta1.ConditionInferenceReady, v1beta1.ConditionInferencePoolReady,
		v1beta1.ConditionRouteReady,
	} {
		for i, value := range s.record.history(name, condition) {
			if status, reason, ok := strings.Cut(value, " "); ok {
				want[fmt.Sprintf("%s=%s (%s)", condition, status, reason)]++
			} else if i > 0 {
				want[condition+" is gone"]++
			}
		}
	}
	s.until(func() error {
		have, err := changesIn(s.events(name))
		if diff := cmp.Diff(want, have); diff != "" {
			return fmt.Errorf("changes (-seen +announced):\n%s", diff)
		}
		return err
	})
}

// changesIn counts what events say that has changed.
func changesIn(events []eventsv1.Event) (map[string]int, error) {
	have := map[string]int{}
	for _, event := range events {
		if event.Series != nil {
			return have, errors.New("an event stands for several: " + event.Note)
		}
		changes, _, _ := strings.Cut(event.Note, ": ")
		for change := range strings.SplitSeq(changes, ", ") {
			have[change]++
		}
	}
	return have, nil
}
