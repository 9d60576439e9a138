// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"github.com/onsi/gomega/format"
	ctrl "sigs.k8s.io/controller-runtime"
)

// What all tests share, but those that start a cluster of their own. The cluster has every CRD; Endpoint Pickers are
// replicated there, so that there is every kind of child.
var (
	shared *cluster
	// program is the operator, built from this tree.
	program string
	guard   *watchdog
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintf(os.Stderr, "integration: %v\n", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctrl.SetLogger(logr.Discard())
	format.MaxLength = 0
	// Most tests wait for a server and not for a processor.
	if err := flag.Set("test.parallel", "48"); err != nil {
		return 1, err
	}
	if _, err := os.Stat(filepath.Join(binaries(), "kube-apiserver")); err != nil {
		return 1, fmt.Errorf("no API server to test against: run make cluster-build-api (%w)", err)
	}
	dir, err := os.MkdirTemp("", "integration-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	// Whatever else makes temporary files, such as envtest, does so where they are removed in any case.
	if err := os.Setenv("TMPDIR", dir); err != nil {
		return 1, err
	}
	if guard, err = newWatchdog(dir); err != nil {
		return 1, err
	}
	defer guard.release()
	if program, err = build(dir); err != nil {
		return 1, err
	}
	shared, err = newCluster(filepath.Join(dir, "shared"), allCRDs()...)
	if err != nil {
		return 1, errors.Join(err, shared.stop())
	}
	// Alone, it needs no lease, which a busy machine could make it lose.
	operator, err := shared.run(gateOn() + "endpointPicker: {replicas: 2}\n")
	if err != nil {
		return 1, errors.Join(err, shared.stop())
	}
	code := m.Run()
	if operator.ended() {
		return 1, fmt.Errorf("the operator ended: %s", operator.tail())
	}
	return code, errors.Join(operator.stop(), shared.stop())
}

// root is the repository's.
func root() string { return filepath.Join("..", "..") }

func binaries() string { return filepath.Join(root(), "bin", "k8s") }

func build(dir string) (string, error) {
	path := filepath.Join(dir, "workspace-controller")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/workspace-controller").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the operator: %w: %s", err, out)
	}
	return path, nil
}
