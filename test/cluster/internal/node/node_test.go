// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/state"
)

func plan() []Node {
	config := state.Config{Name: "node", Tier: state.TierNode, Nodes: 2}
	return Plan(state.Dir("/state"), config, "/bin", "/usr/lib/cni")
}

// TestFiles compares every file of the second node with testdata; `go test ./internal/node -update` rewrites it.
func TestFiles(t *testing.T) {
	t.Parallel()
	files, err := plan()[1].Files()
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := Proxy{Kubeconfig: "/state/kubeconfigs/kube-proxy", Masquerade: true}.Config()
	if err != nil {
		t.Fatal(err)
	}
	files["kube-proxy.yaml"] = proxy
	for path, got := range files {
		golden := filepath.Join("testdata", strings.ReplaceAll(strings.TrimPrefix(path, "/state/nodes/node-2/"), "/", "_"))
		if flag.Lookup("update").Value.String() == "true" {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// Nodes of one machine must share nothing that they write to.
func TestNodesAreApart(t *testing.T) {
	t.Parallel()
	first, second := plan()[0], plan()[1]
	for name, pair := range map[string][2]string{
		"name": {first.Name, second.Name}, "address": {first.Address, second.Address},
		"directory": {first.Dir, second.Dir}, "sockets": {first.Run, second.Run},
		"socket": {first.Socket(), second.Socket()}, "cgroup": {first.CGroup, second.CGroup},
		"kubelet": {first.KubeletDir(), second.KubeletDir()}, "kubeconfig": {first.Kubeconfig, second.Kubeconfig},
	} {
		if pair[0] == pair[1] {
			t.Errorf("both nodes have %s %s", name, pair[0])
		}
	}
	if len(second.Socket()) > 107-len(".ttrpc") {
		t.Errorf("the path %s is too long for a socket", second.Socket())
	}
}

func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite testdata")
	flag.Parse()
	os.Exit(m.Run())
}
