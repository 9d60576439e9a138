// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/test/scale/internal/audit"
)

const log = `{"stage":"ResponseComplete","verb":"patch","requestURI":"/apis/apps/v1/namespaces/models/deployments/a?dryRun=All","userAgent":"me/v1","objectRef":{"resource":"deployments","name":"a"},"responseStatus":{"code":201},"requestReceivedTimestamp":"2026-01-01T00:00:01Z","stageTimestamp":"2026-01-01T00:00:02Z"}
{"stage":"ResponseComplete","verb":"patch","requestURI":"/apis/apps/v1/namespaces/models/deployments/a","userAgent":"me/v1","objectRef":{"resource":"deployments","name":"a"},"responseStatus":{"code":201},"requestReceivedTimestamp":"2026-01-01T00:00:02Z","stageTimestamp":"2026-01-01T00:00:03Z"}
{"stage":"ResponseComplete","verb":"patch","requestURI":"/x","userAgent":"me/v1","objectRef":{"resource":"helmreleases","name":"a-inferencepool"},"responseStatus":{"code":409},"requestReceivedTimestamp":"2026-01-01T00:00:03Z","stageTimestamp":"2026-01-01T00:00:04Z"}
{"stage":"ResponseStarted","verb":"watch","requestURI":"/x","userAgent":"me/v1","objectRef":{"resource":"pods"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-01T00:00:01Z"}
{"stage":"ResponseStarted","verb":"list","requestURI":"/x","userAgent":"me/v1","objectRef":{"resource":"pods"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-01T00:00:01Z"}
{"stage":"ResponseComplete","verb":"get","requestURI":"/api?timeout=1","userAgent":"me/v1","responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-01T00:00:01Z"}
{"stage":"ResponseComplete","verb":"get","requestURI":"/x","userAgent":"you/v1","objectRef":{"resource":"pods"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-01T00:00:01Z"}
{"stage":"ResponseComplete","verb":"patch","requestURI":"/x","userAgent":"me/v1","objectRef":{"resource":"workspaces","subresource":"status","name":"a"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-01T00:01:00Z","stageTimestamp":"2026-01-01T00:01:00Z"}
{"stage":"Respon`

func TestCount(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(file, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	minute := audit.Window{From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 1, 1, 0, 1, 0, 0, time.UTC)}
	got, err := audit.Count(file, "me", minute)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"dry-run deployments": 1, "patch deployments": 1, "patch helmreleases → 409": 1, "watch pods": 1, "get /api": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	last, err := audit.LastChild(file, "me", minute)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]time.Time{"a": time.Date(2026, 1, 1, 0, 0, 3, 0, time.UTC)}, last); diff != "" {
		t.Error(diff)
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for what, want := range map[string]string{
		"watch pods": "watch", "list pods": "read", "get /api": "read", "update leases": "lease", "patch deployments": "write",
		"dry-run deployments": "write", "patch helmreleases → 409": "write", "create events": "write",
	} {
		r, got := audit.Request{What: what}, ""
		for kind, is := range map[string]bool{"watch": r.IsWatch(), "read": r.IsRead(), "lease": r.IsLease() && !r.IsRead(), "write": r.IsWrite()} {
			if is {
				got += kind
			}
		}
		if got != want {
			t.Errorf("%s is a %q, want %s", what, got, want)
		}
	}
}
