// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// shared is the cluster of all tests.
var shared *cluster

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintf(os.Stderr, "e2e: %v\n", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctrl.SetLogger(logr.Discard())
	// Most tests wait for a cluster and not for a processor.
	if err := flag.Set("test.parallel", "24"); err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	shared, err = openCluster(ctx, dir)
	if err != nil {
		return 1, errors.Join(err, shared.close())
	}
	codes := make(chan int, 1)
	go func() { codes <- m.Run() }()
	select {
	case code := <-codes:
		return code, shared.close()
	case <-ctx.Done():
		return 130, errors.Join(errors.New("interrupted"), shared.close())
	}
}

// root is the repository's.
func root() string {
	path, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	return path
}

func program(name string) string { return filepath.Join(root(), "bin", name) }
