// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command workspace-controller runs the Workspace Operator.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// gcPercent is how much the heap may grow over what lives before it is collected; Go's own value is 100. What lives are
// caches, which grow with the fleet and hardly change: collecting earlier costs little time and saves a quarter of the memory.
const gcPercent = 60

func main() {
	if err := run(ctrl.SetupSignalHandler(), os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "workspace-controller: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&o.log)))
	config, err := o.configuration()
	if err != nil {
		return err
	}
	if o.check {
		return check(ctx, os.Stdout, config)
	}
	mgr, err := newManager(o)
	if err != nil {
		return err
	}
	if err := setup(ctx, mgr, o, config); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
