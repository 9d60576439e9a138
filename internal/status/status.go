// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package status turns what was observed into the status of a Workspace: one pure function computes all conditions.
// Values change only when the observed world changes, and messages hold no times or counters.
package status

import (
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// Input is everything that a status follows from.
type Input struct {
	// Previous is the status as it is now; Generation the Workspace's.
	Previous   v1beta1.WorkspaceStatus
	Generation int64
	Now        metav1.Time

	// Plan is nil if none could be made, and PlanErr says why.
	Plan    *plan.Plan
	PlanErr error
	// Nodes match the Workspace's resource, sorted by name.
	Nodes []plan.Node

	// Shape is what the API server admitted; empty if it was never asked.
	Shape plan.Shape
	// WorkloadErr, PoolErr and RouteErr are what happened on the way to them; nil if they are as wanted.
	WorkloadErr, PoolErr, RouteErr error
	// WorkloadChanging, PoolChanging and RouteChanging say that a write was just made which the caches do not show yet: what
	// they hold describes the state before.
	WorkloadChanging, PoolChanging, RouteChanging bool

	Children Children
	Routing  Routing
}

// Compute returns the status that in amounts to. It differs from in.Previous only where the world does.
func Compute(in Input) v1beta1.WorkspaceStatus {
	out := v1beta1.WorkspaceStatus{
		Conditions:         slices.Clone(in.Previous.Conditions),
		ObservedGeneration: in.Generation,
		WorkerNodes:        workerNodes(in.Nodes),
	}
	describe(in, &out)
	verdicts := []verdict{resource(in), inference(in)}
	if wantsPool(in) {
		verdicts = append(verdicts, inferencePool(in))
	} else {
		meta.RemoveStatusCondition(&out.Conditions, v1beta1.ConditionInferencePoolReady)
	}
	if wantsRoute(in) {
		verdicts = append(verdicts, httpRoute(in))
	} else {
		meta.RemoveStatusCondition(&out.Conditions, v1beta1.ConditionRouteReady)
	}
	verdicts = append(verdicts, summary(in, verdicts)...)
	for _, v := range verdicts {
		v.write(in, &out.Conditions)
	}
	return out
}

// verdict is a condition before it gets generation and time.
type verdict struct {
	conditionType string
	status        metav1.ConditionStatus
	reason        string
	message       string
}

// write sets the condition. A verdict without status removes it: Reconciling and Stalled exist only while they are true.
func (v verdict) write(in Input, conditions *[]metav1.Condition) {
	if v.status == "" {
		meta.RemoveStatusCondition(conditions, v.conditionType)
		return
	}
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: v.conditionType, Status: v.status, Reason: v.reason, Message: oneLine(v.message),
		ObservedGeneration: in.Generation, LastTransitionTime: in.Now,
	})
}

func yes(conditionType, reason, message string) verdict {
	return verdict{conditionType: conditionType, status: metav1.ConditionTrue, reason: reason, message: message}
}

func no(conditionType, reason, message string) verdict {
	return verdict{conditionType: conditionType, status: metav1.ConditionFalse, reason: reason, message: message}
}

// failed is the verdict on a step that ended with err.
func failed(conditionType string, err error) verdict {
	reason, message := Explain(err)
	return no(conditionType, reason, message)
}

// Explain returns the reason and message of an error by its type.
func Explain(err error) (string, string) {
	if t, ok := errors.AsType[*outcome.Terminal](err); ok {
		return t.Reason, t.Error()
	}
	if w, ok := errors.AsType[*outcome.Waiting](err); ok {
		return w.Reason, w.Message
	}
	return v1beta1.ReasonReconcileError, err.Error()
}

func terminal(err error) bool {
	_, ok := errors.AsType[*outcome.Terminal](err)
	return ok
}

// previous is the condition as it was, if it speaks of the same generation or not.
func previous(in Input, conditionType string) *metav1.Condition {
	return meta.FindStatusCondition(in.Previous.Conditions, conditionType)
}

func keep(c *metav1.Condition) verdict {
	return verdict{conditionType: c.Type, status: c.Status, reason: c.Reason, message: c.Message}
}

func wantsPool(in Input) bool {
	if in.Plan == nil {
		// Unknown for now: as long as nothing is known the old answer stays.
		return previous(in, v1beta1.ConditionInferencePoolReady) != nil
	}
	return in.Plan.Pool != nil
}

// summary derives Ready and its companions from the other verdicts.
func summary(in Input, verdicts []verdict) []verdict {
	ready := yes(v1beta1.ConditionReady, v1beta1.ReasonReady, "the model serves")
	for _, v := range verdicts {
		if v.status != metav1.ConditionTrue {
			ready = no(v1beta1.ConditionReady, v.reason, v.message)
			break
		}
	}
	if err := firstTerminal(in); err != nil {
		ready = failed(v1beta1.ConditionReady, err)
	}
	succeeded := ready
	succeeded.conditionType = v1beta1.ConditionWorkspaceSucceeded
	reconciling := verdict{conditionType: v1beta1.ConditionReconciling}
	stalled := verdict{conditionType: v1beta1.ConditionStalled}
	switch {
	case firstTerminal(in) != nil:
		stalled.status, stalled.reason, stalled.message = metav1.ConditionTrue, ready.reason, ready.message
	case ready.status != metav1.ConditionTrue:
		reconciling.status, reconciling.reason, reconciling.message = metav1.ConditionTrue, ready.reason, ready.message
	}
	return []verdict{ready, succeeded, reconciling, stalled}
}

func firstTerminal(in Input) error {
	for _, err := range []error{in.PlanErr, in.WorkloadErr, in.PoolErr, in.RouteErr} {
		if err != nil && terminal(err) {
			return err
		}
	}
	return nil
}

// oneLine keeps a message readable in a table and below the API's limit of 32768 characters.
func oneLine(message string) string {
	line := strings.Join(strings.Fields(message), " ")
	const limit = 2048
	if len(line) > limit {
		line = strings.ToValidUTF8(line[:limit], "") + "…"
	}
	return line
}
