// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// missing is the reason and message of what the release should have left in the cluster and is not there, or not as it should be.
func missing(in Input) (string, string) {
	c := in.Children
	switch {
	case c.EPP == nil:
		return v1beta1.ReasonEPPNotAvailable, fmt.Sprintf("Deployment %s is missing", in.Plan.Names.EPP)
	case c.InferencePool == nil:
		return v1beta1.ReasonInferencePoolNotManaged, fmt.Sprintf("InferencePool %s is missing", in.Plan.Names.Pool)
	case !poolMatches(in):
		return v1beta1.ReasonSelectorDrift, fmt.Sprintf("InferencePool %s does not select the pods that serve", in.Plan.Names.Pool)
	default:
		return "", ""
	}
}

func poolMatches(in Input) bool {
	spec := in.Children.InferencePool.Spec
	want := in.Plan.PoolSelector(in.Children.PoolShape(in.Shape))
	if len(spec.TargetPorts) != 1 || int32(spec.TargetPorts[0].Number) != in.Plan.Port || len(spec.Selector.MatchLabels) != len(want) {
		return false
	}
	for key, value := range want {
		if spec.Selector.MatchLabels[inferencev1.LabelKey(key)] != inferencev1.LabelValue(value) {
			return false
		}
	}
	return true
}

// NeedsRepair says that Flux takes its release for deployed and done, while something of it is missing or changed. Flux
// finds that by itself only at the release's interval.
func NeedsRepair(in Input) bool {
	c := in.Children
	if in.Plan == nil || in.Plan.Pool == nil || in.PoolErr != nil || in.PoolChanging ||
		c.Release == nil || c.Repository == nil || !deployed(in) || suspended(c) {
		return false
	}
	ready := readyOf(c.Release.Status.Conditions)
	if ready == nil || ready.Status != metav1.ConditionTrue || c.Release.Generation != c.Release.Status.ObservedGeneration {
		return false
	}
	reason, _ := missing(in)
	return reason != ""
}

// remedy is what follows from something that is missing or changed. Flux writes what the chart says and leaves what
// somebody added beside it, such as a further label in the pool's selector.
func remedy(in Input, reason string) string {
	since := in.Now
	if c := previous(in, v1beta1.ConditionInferencePoolReady); c != nil && c.Status == metav1.ConditionFalse {
		since = c.LastTransitionTime
	}
	// What Flux did before the change says nothing about it. Conditions know whole seconds.
	handled, err := time.Parse(time.RFC3339Nano, in.Children.Release.Status.LastHandledReconcileAt)
	tried := err == nil && !handled.Before(since.Time)
	if reason != v1beta1.ReasonSelectorDrift || !tried {
		return "; Flux was asked to repair it"
	}
	return fmt.Sprintf("; Flux does not remove what was added to it: delete InferencePool %s, and it is made again", in.Plan.Names.Pool)
}
