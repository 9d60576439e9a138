// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/process"
)

// TestAPITier starts two clusters side by side, finds them different, and takes them down without a trace.
func TestAPITier(t *testing.T) {
	program := clusterProgram(t)
	audit := filepath.Join(t.TempDir(), "audit.log")
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	for _, state := range []string{first, second} {
		t.Cleanup(func() { run(t, program, "down", "--state", state) })
	}
	run(t, program, "up", "--tier", "api", "--name", "first", "--state", first, "--audit-log", audit)
	run(t, program, "up", "--tier", "api", "--name", "second", "--state", second, "--crds", "gie")
	if again := run(t, program, "up", "--tier", "api", "--name", "first", "--state", first); !strings.Contains(again, "already up") {
		t.Errorf("up of what is up says %q, want that it is already up", again)
	}
	kubectl := filepath.Join(filepath.Dir(program), "kubectl")
	if crds := run(t, kubectl, "--kubeconfig", filepath.Join(first, "kubeconfig"), "get", "crds"); !strings.Contains(crds, "No resources") {
		t.Errorf("the first cluster has CRDs that only the second asked for: %s", crds)
	}
	run(t, kubectl, "--kubeconfig", filepath.Join(second, "kubeconfig"), "get", "crd", "inferencepools.inference.networking.k8s.io")
	log, err := os.ReadFile(audit)
	if err != nil || !strings.Contains(string(log), `"verb":"list"`) {
		t.Errorf("the audit log has no list of CRDs in it (%v)", err)
	}
	records, err := process.Set{Records: filepath.Join(first, "run")}.List()
	if err != nil || len(records) != 3 {
		t.Fatalf("records of the first cluster: %d, %v; want etcd, API server, controller-manager", len(records), err)
	}
	run(t, program, "down", "--state", first)
	for _, record := range records {
		if record.Alive() {
			t.Errorf("%s still runs after down", record.Name)
		}
	}
	if _, err := os.Stat(first); !os.IsNotExist(err) {
		t.Errorf("the state directory is still there: %v", err)
	}
	etcd, err := url.Parse(records[0].Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	if connection, err := net.Dial("tcp", etcd.Host); err == nil {
		_ = connection.Close()
		t.Error("etcd still listens after down")
	}
}
