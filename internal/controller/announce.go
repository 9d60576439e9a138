// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// maxNote is what fits into the note of an event.
const maxNote = 1024

// announce emits one event for all conditions that changed with a write. It is written once: events of one object are only
// counted together when they speak of the same version of it.
func (s *statusWriter) announce(ws *v1beta1.Workspace, before []metav1.Condition) {
	changes := changesBetween(before, ws.Status.Conditions)
	ready := meta.FindStatusCondition(ws.Status.Conditions, v1beta1.ConditionReady)
	if len(changes) == 0 || ready == nil {
		return
	}
	kind := corev1.EventTypeNormal
	if isFailure(*ready) || slices.ContainsFunc(changes, func(c condition) bool { return !c.gone && isFailure(c.now) }) {
		kind = corev1.EventTypeWarning
	}
	note := noteOf(changes)
	s.recorder.Eventf(ws, nil, kind, ready.Reason, "Reconcile", "%s", strings.ToValidUTF8(note[:min(len(note), maxNote)], ""))
}

// condition is one that changed.
type condition struct {
	now  metav1.Condition
	gone bool
}

func (c condition) String() string {
	if c.gone {
		return c.now.Type + " is gone"
	}
	return fmt.Sprintf("%s=%s (%s)", c.now.Type, c.now.Status, c.now.Reason)
}

// changesBetween returns the conditions whose status or reason differs, sorted by type. What only repeats Ready is left out
// when Ready itself changed.
func changesBetween(before, after []metav1.Condition) []condition {
	var changes []condition
	for _, c := range after {
		old := meta.FindStatusCondition(before, c.Type)
		if old == nil || old.Status != c.Status || old.Reason != c.Reason {
			changes = append(changes, condition{now: c})
		}
	}
	for _, c := range before {
		if meta.FindStatusCondition(after, c.Type) == nil {
			changes = append(changes, condition{now: c, gone: true})
		}
	}
	if slices.ContainsFunc(changes, func(c condition) bool { return c.now.Type == v1beta1.ConditionReady }) {
		changes = slices.DeleteFunc(changes, func(c condition) bool { return repeatsReady(c.now.Type) })
	}
	slices.SortFunc(changes, func(a, b condition) int { return strings.Compare(a.now.Type, b.now.Type) })
	return changes
}

// repeatsReady says that a condition is derived from Ready.
func repeatsReady(conditionType string) bool {
	switch conditionType {
	case v1beta1.ConditionWorkspaceSucceeded, v1beta1.ConditionReconciling, v1beta1.ConditionStalled:
		return true
	default:
		return false
	}
}

// noteOf lists the changes, with the message of Ready, or of the first if Ready did not change.
func noteOf(changes []condition) string {
	list := make([]string, 0, len(changes))
	told := changes[0]
	for _, c := range changes {
		list = append(list, c.String())
		if c.now.Type == v1beta1.ConditionReady {
			told = c
		}
	}
	note := strings.Join(list, ", ")
	if !told.gone {
		note += ": " + told.now.Message
	}
	return note
}

// isFailure tells what somebody should look at from ordinary progress.
func isFailure(c metav1.Condition) bool {
	if c.Type == v1beta1.ConditionStalled {
		return c.Status == metav1.ConditionTrue
	}
	if c.Status == metav1.ConditionTrue {
		return false
	}
	switch c.Reason {
	case v1beta1.ReasonProgressing, v1beta1.ReasonLoadingModel, v1beta1.ReasonRolloutInProgress, v1beta1.ReasonPoolProgressing,
		v1beta1.ReasonRouteProgressing, v1beta1.ReasonInsufficientNodes:
		return false
	default:
		return true
	}
}
