// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command scale measures what the controller costs, on an API server and etcd of its own. See docs/benchmarks.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/workspace-operator/workspace-operator/test/scale/internal/floor"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/lab"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/report"
)

func main() {
	// What the client libraries have to say would tear the progress apart.
	ctrl.SetLogger(zap.New(zap.WriteTo(io.Discard)))
	// A second signal must not end us before our API server: make, and what runs it, send theirs to each process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "scale: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 3 && args[0] == "floor" {
		return runFloor(ctx, args[1], args[2])
	}
	if len(args) == 3 && args[0] == "report" {
		return writeReport(args[1], args[2])
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	b := &bench{options: o, out: os.Stderr}
	err = b.all(ctx)
	return errors.Join(err, b.verdict())
}

// options are the flags.
type options struct {
	root       string
	scenarios  []string
	n          int
	nodes      int
	settle     int
	ci         bool
	floor      bool
	keep       bool
	fleet      string
	results    string
	controller string
	profiles   string
}

// variants are scenarios that need a cluster of their own; acts happen one after the other to N settled Workspaces.
func variants() []string { return []string{"burst", "slow", "hol", "foreign", "fluxlate", "growth"} }

func acts() []string {
	return []string{"steady", "flip", "drift", "churn", "restart", "crowd", "delete"}
}

func parse(args []string) (*options, error) {
	o := &options{}
	flags := pflag.NewFlagSet("scale", pflag.ContinueOnError)
	known := slices.Concat(variants(), acts())
	flags.StringVar(&o.root, "root", ".", "the repository")
	flags.StringSliceVar(&o.scenarios, "scenario", known, "what to measure: "+strings.Join(known, ", ")+
		"; what happens to the fleet of burst happens in this order")
	flags.StringVar(&o.controller, "controller", "bin/workspace-controller", "the program that is measured")
	flags.IntVar(&o.n, "n", 1000, "how many Workspaces")
	flags.IntVar(&o.nodes, "nodes", 1, "how many nodes share the GPUs")
	flags.IntVar(&o.settle, "settle", 180, "how many seconds steady watches a fleet to which nothing happens")
	flags.BoolVar(&o.ci, "ci", false, "fail if a count misses its target; times and memory are only printed")
	flags.BoolVar(&o.floor, "floor", true, "measure what plain client-go takes for the same objects too")
	flags.BoolVar(&o.keep, "keep", false, "leave the cluster of burst running, and say where it is")
	flags.StringVar(&o.fleet, "fleet", "", "directory of a cluster that --keep left: go on with its fleet of --n, and leave it again")
	flags.StringVar(&o.results, "results", "", "file to which a line of JSON is added for each scenario")
	flags.StringVar(&o.profiles, "profiles", "", "directory for profiles of the controller")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	for _, s := range o.scenarios {
		if !slices.Contains(known, s) {
			return nil, fmt.Errorf("unknown scenario %q: %s", s, strings.Join(known, ", "))
		}
	}
	return o, nil
}

// runFloor is the floor as a process of its own.
func runFloor(ctx context.Context, kubeconfig, count string) error {
	config, err := lab.RestConfig(kubeconfig, floor.UserAgent)
	if err != nil {
		return err
	}
	var n int
	if _, err := fmt.Sscan(count, &n); err != nil {
		return fmt.Errorf("reading the count: %w", err)
	}
	return floor.Run(ctx, config, n)
}

// all measures every scenario that was asked for.
func (b *bench) all(ctx context.Context) error {
	for _, name := range variants() {
		wanted := slices.Contains(b.options.scenarios, name)
		if name == "burst" {
			wanted = wanted || slices.ContainsFunc(acts(), func(a string) bool { return slices.Contains(b.options.scenarios, a) })
		}
		if !wanted {
			continue
		}
		if err := b.variant(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// verdict is an error if a target was missed that this run must meet.
func (b *bench) verdict() error {
	var missed []string
	for _, s := range b.results {
		for _, f := range s.Missed() {
			if !b.options.ci || f.Bound.Count {
				missed = append(missed, fmt.Sprintf("%s: %s is %s, target %s", s.Scenario, f.Name, report.Format(f.Value, f.Unit), report.Target(f)))
			}
		}
	}
	if len(missed) == 0 {
		return nil
	}
	return fmt.Errorf("targets missed:\n  %s", strings.Join(missed, "\n  "))
}
