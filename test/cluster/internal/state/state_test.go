// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/state"
)

func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := state.Dir(filepath.Join(parent, "one"))
	if _, err := dir.Load(); !isNoCluster(err) {
		t.Errorf("Load of nothing: %v, want NoClusterError", err)
	}
	if err := os.Mkdir(string(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	want := state.Config{
		Name: "one", Tier: state.TierNode, Ports: map[string]int{"etcd": 1}, NodeLabels: map[string]string{"apps": "llm"},
		Machine: &state.Machine{Sysctls: map[string]string{"a": "1"}, Missing: []string{"/x"}},
	}
	if err := dir.Save(want); err != nil {
		t.Fatal(err)
	}
	got, err := dir.Load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	names, err := state.Clusters(parent)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one"}, names); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(dir.Under("cluster.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Load(); err == nil || isNoCluster(err) {
		t.Errorf("Load of half a file: %v, want another error than that there is no cluster", err)
	}
}

func isNoCluster(err error) bool {
	_, is := errors.AsType[*state.NoClusterError](err)
	return is
}
