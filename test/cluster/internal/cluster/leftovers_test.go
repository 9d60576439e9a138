// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/machine"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/process"
)

// pods uses everything that leaves traces: volumes that are mounts, a GPU, a Service, a probe by exec.
const pods = `
apiVersion: v1
kind: Pod
metadata: {name: traces, labels: {app: traces}}
spec:
  containers:
  - name: model
    image: docker.io/vllm/vllm-openai:latest
    args: [microsoft/phi-4, --port=5000]
    resources: {limits: {nvidia.com/gpu: 1}}
    readinessProbe: {httpGet: {path: /health, port: 5000}, periodSeconds: 1}
    volumeMounts:
    - {name: shm, mountPath: /dev/shm}
    - {name: configuration, mountPath: /configuration}
  volumes:
  - {name: shm, emptyDir: {medium: Memory}}
  - {name: configuration, configMap: {name: kube-root-ca.crt}}
---
apiVersion: v1
kind: Service
metadata: {name: traces}
spec: {type: NodePort, selector: {app: traces}, ports: [{port: 80, targetPort: 5000}]}
`

// TestNodeTierLeavesNothing starts tier node, runs a pod, and compares the machine before and after. Once the
// cluster is taken down in order, once after everything in it was killed.
func TestNodeTierLeavesNothing(t *testing.T) {
	program := clusterProgram(t)
	if os.Getenv("CLUSTER_TEST_NODE") == "" {
		t.Skip("set CLUSTER_TEST_NODE=1 to start tier node, as root, with no other cluster of that tier up")
	}
	// Below bin and short: sockets lie in it, and /tmp may be an overlay.
	state := filepath.Join(filepath.Dir(program), ".cluster", "leftovers")
	t.Run("in order", func(t *testing.T) {
		compareMachine(t, program, state, func() {})
	})
	t.Run("after a crash", func(t *testing.T) {
		compareMachine(t, program, state, func() { killEverything(t, state) })
	})
}

// compareMachine fails when a cluster that lived until end was called left something behind.
func compareMachine(t *testing.T, program, state string, end func()) {
	t.Helper()
	before := inventory(t, state)
	t.Cleanup(func() { _ = exec.Command(program, "down", "--state", state).Run() })
	run(t, program, "up", "--tier", "node", "--state", state, "--flux=false")
	createPods(t, program, state)
	if cmp.Equal(before, inventory(t, state)) {
		t.Fatal("the inventory does not see the running cluster")
	}
	end()
	run(t, program, "down", "--state", state)
	if diff := cmp.Diff(before, inventory(t, state)); diff != "" {
		t.Errorf("something was left behind (-before +after):\n%s", diff)
	}
}

func inventory(t *testing.T, state string) map[string][]string {
	t.Helper()
	found, err := machine.Inventory(state)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func createPods(t *testing.T, program, state string) {
	t.Helper()
	kubeconfig := strings.TrimSpace(run(t, program, "kubeconfig", "--state", state))
	kubectl := filepath.Join(filepath.Dir(program), "kubectl")
	apply := exec.Command(kubectl, "--kubeconfig", kubeconfig, "apply", "-f", "-")
	apply.Stdin = strings.NewReader(pods)
	if output, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v\n%s", err, output)
	}
	run(t, kubectl, "--kubeconfig", kubeconfig, "wait", "--for=condition=Ready", "--timeout=60s", "pod/traces")
}

// killEverything does what the machine's memory killer could: no part may say goodbye. The pods live on.
func killEverything(t *testing.T, state string) {
	t.Helper()
	records, err := process.Set{Records: filepath.Join(state, "run")}.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records {
		if err := syscall.Kill(record.Identity.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
}

func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	output, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, output)
	}
	return string(output)
}

// clusterProgram returns the built command, or skips: what it starts takes minutes to build.
func clusterProgram(t *testing.T) string {
	t.Helper()
	program, err := filepath.Abs("../../../../bin/cluster")
	if err != nil {
		t.Fatal(err)
	}
	for _, needed := range []string{program, filepath.Join(filepath.Dir(program), "k8s", "kube-apiserver")} {
		if _, err := os.Stat(needed); err != nil {
			t.Skipf("not built: %v", err)
		}
	}
	return program
}
