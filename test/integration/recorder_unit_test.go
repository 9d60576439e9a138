// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// TestRecorder: a test that cannot fail proves nothing, so what counts as a flap is tested itself. A bar is a step.
func TestRecorder(t *testing.T) {
	t.Parallel()
	for values, flaps := range map[string]int{
		"A B C":     0,
		"A A B B":   0, //nolint:dupword // a value that stays is no flap
		"A B A":     1,
		"A B C A":   1,
		"A B | A":   0,
		"A | B A":   1,
		"A B | B A": 0,
	} {
		r := &recorder{seen: map[string]string{}, values: map[conditionKey][]string{}, all: map[conditionKey][]string{}}
		for value := range strings.FieldsSeq(values) {
			if value == "|" {
				r.step()
				continue
			}
			ws := &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "phi", UID: types.UID("1")}}
			ws.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse, Reason: value}}
			r.note(ws)
		}
		if len(r.flaps) != flaps {
			t.Errorf("%s: %d flaps, want %d", values, len(r.flaps), flaps)
		}
	}
}
