// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// Unissued says, in cert-manager's own words, why there is no certificate as a Certificate asks for. It is empty if there
// is one; then the time is since when.
func Unissued(c *route.Certificate) (string, time.Time) {
	if c == nil {
		return "it is not there yet", time.Time{}
	}
	ready := meta.FindStatusCondition(c.Status.Conditions, "Ready")
	switch {
	case ready == nil || ready.ObservedGeneration < c.Generation:
		return "cert-manager has said nothing of it yet: does it run?", time.Time{}
	case ready.Status == metav1.ConditionTrue:
		return "", ready.LastTransitionTime.Time
	}
	said := ready
	// Ready says only what is missing; why the last attempt failed is said here.
	if issuing := meta.FindStatusCondition(c.Status.Conditions, "Issuing"); issuing != nil && issuing.Status == metav1.ConditionFalse {
		said = issuing
	}
	return cmp.Or(said.Reason, "NotReady") + ": " + cmp.Or(said.Message, "cert-manager does not say why"), time.Time{}
}
