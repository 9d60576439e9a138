// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/internal/render/route"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// TestUnissued has what cert-manager v1.21 says.
func TestUnissued(t *testing.T) {
	t.Parallel()
	since := metav1.NewTime(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
	said := func(conditionType string, value metav1.ConditionStatus, generation int64, reason, message string) metav1.Condition {
		return metav1.Condition{
			Type: conditionType, Status: value, ObservedGeneration: generation, Reason: reason, Message: message, LastTransitionTime: since,
		}
	}
	missing := said("Ready", metav1.ConditionFalse, 2, "DoesNotExist", "Issuing certificate as Secret does not exist")
	ready := said("Ready", metav1.ConditionTrue, 2, "Ready", "Certificate is up to date and has not expired")
	for name, c := range map[string]struct {
		conditions []metav1.Condition
		want       string
	}{
		"nothing": {nil, "cert-manager has said nothing of it yet: does it run?"},
		"issued":  {[]metav1.Condition{ready}, ""},
		"issued, and being renewed": {
			[]metav1.Condition{said("Issuing", metav1.ConditionTrue, 2, "Renewing", "Renewing certificate as renewal was scheduled"), ready}, "",
		},
		"issued, and not renewed": {[]metav1.Condition{said("Issuing", metav1.ConditionFalse, 2, "Failed", "no"), ready}, ""},
		"issued as it was asked for before": {
			[]metav1.Condition{said("Ready", metav1.ConditionTrue, 1, "Ready", "")}, "cert-manager has said nothing of it yet: does it run?",
		},
		"under way": {
			[]metav1.Condition{said("Issuing", metav1.ConditionTrue, 2, "DoesNotExist", "Issuing certificate as Secret does not exist"), missing},
			"DoesNotExist: Issuing certificate as Secret does not exist",
		},
		"failed": {
			[]metav1.Condition{missing, said("Issuing", metav1.ConditionFalse, 2, "Failed", "The certificate request has failed to complete and will be retried: denied")},
			"Failed: The certificate request has failed to complete and will be retried: denied",
		},
		"without a word": {[]metav1.Condition{said("Ready", metav1.ConditionFalse, 2, "", "")}, "NotReady: cert-manager does not say why"},
	} {
		made := &route.Certificate{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Status: route.CertificateStatus{Conditions: c.conditions}}
		got, at := status.Unissued(made)
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if issued := c.want == ""; issued != at.Equal(since.Time) {
			t.Errorf("%s: since %s", name, at)
		}
	}
	if got, _ := status.Unissued(nil); got != "it is not there yet" {
		t.Errorf("of none it says %q", got)
	}
}
