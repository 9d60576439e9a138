// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// notes keeps what was announced, as TYPE REASON NOTE.
type notes struct{ all []string }

func (n *notes) Eventf(_, _ runtime.Object, kind, reason, _, _ string, args ...any) {
	n.all = append(n.all, kind+" "+reason+" "+args[0].(string))
}

// conditions are told as "TYPE=STATUS REASON"; the message of each is its type in lower case.
func conditions(all ...string) []metav1.Condition {
	var out []metav1.Condition
	for _, text := range all {
		name, rest, _ := strings.Cut(text, "=")
		status, reason, _ := strings.Cut(rest, " ")
		out = append(out, metav1.Condition{Type: name, Status: metav1.ConditionStatus(status), Reason: reason, Message: strings.ToLower(name)})
	}
	return out
}

func TestAnnounce(t *testing.T) {
	t.Parallel()
	loading := []string{"Ready=False LoadingModel", "WorkspaceSucceeded=False LoadingModel", "Reconciling=True LoadingModel", "InferenceReady=False LoadingModel"}
	ready := []string{"Ready=True Ready", "WorkspaceSucceeded=True Ready", "InferenceReady=True ReplicasReady"}
	for name, test := range map[string]struct{ before, after, want []string }{
		"first status": {nil, loading, []string{"Normal LoadingModel InferenceReady=False (LoadingModel), Ready=False (LoadingModel): ready"}},
		"ready":        {loading, ready, []string{"Normal Ready InferenceReady=True (ReplicasReady), Ready=True (Ready): ready"}},
		"no change":    {ready, ready, nil},
		"a condition while Ready stays": {
			append(loading, "ResourceReady=False InsufficientNodes"), append(loading, "ResourceReady=True NodesReady"),
			[]string{"Normal LoadingModel ResourceReady=True (NodesReady): resourceready"},
		},
		"a failure that is not Ready's": {
			append(loading, "InferencePoolReady=False PoolProgressing"), append(loading, "InferencePoolReady=False InstallFailed"),
			[]string{"Warning LoadingModel InferencePoolReady=False (InstallFailed): inferencepoolready"},
		},
		"a condition goes": {
			append(ready, "InferencePoolReady=True PoolReady"), ready, []string{"Normal Ready InferencePoolReady is gone"},
		},
		"stalled for what it waited for": {
			[]string{"Ready=False NameTaken", "Reconciling=True NameTaken"},
			[]string{"Ready=False NameTaken", "Stalled=True NameTaken"},
			[]string{"Warning NameTaken Reconciling is gone, Stalled=True (NameTaken)"},
		},
		"it fails": {
			ready,
			[]string{"Ready=False OOMKilled", "InferenceReady=False OOMKilled"},
			[]string{"Warning OOMKilled InferenceReady=False (OOMKilled), Ready=False (OOMKilled): ready"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			heard := &notes{}
			ws := &v1beta1.Workspace{Status: v1beta1.WorkspaceStatus{Conditions: conditions(test.after...)}}
			(&statusWriter{recorder: heard}).announce(ws, conditions(test.before...))
			if diff := cmp.Diff(test.want, heard.all); diff != "" {
				t.Errorf("(-want +heard):\n%s", diff)
			}
		})
	}
}

// TestAnnounceLength: an event whose note is too long is refused whole.
func TestAnnounceLength(t *testing.T) {
	t.Parallel()
	heard := &notes{}
	ws := &v1beta1.Workspace{Status: v1beta1.WorkspaceStatus{Conditions: conditions("Ready=False ReconcileError")}}
	meta.FindStatusCondition(ws.Status.Conditions, v1beta1.ConditionReady).Message = strings.Repeat("ü", maxNote)
	(&statusWriter{recorder: heard}).announce(ws, nil)
	note := strings.TrimPrefix(heard.all[0], "Warning ReconcileError ")
	if len(note) > maxNote || len(note) < maxNote-1 || strings.ToValidUTF8(note, "?") != note {
		t.Errorf("a note of %d bytes", len(note))
	}
}
