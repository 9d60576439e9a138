// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/workspace-operator/workspace-operator/test/actors"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/audit"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/fleet"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/lab"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/report"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/subject"
)

// agent is how the controller shows in the audit log: by the name of its file.
func (b *bench) agent() string { return filepath.Base(b.options.controller) }

// prefix of the names of most Workspaces.
const prefix = "ws"

// bench runs scenarios and collects what they gave.
type bench struct {
	options *options
	out     io.Writer
	results []*report.Scenario
}

// stage is a lab with everything that a scenario needs in it.
type stage struct {
	*bench
	lab        *lab.Lab
	fleet      *fleet.Fleet
	world      *actors.World
	controller *subject.Process
	floor      *subject.Process
	hanging    *hanging
	crds       []string
	keep       bool
	cancel     context.CancelFunc
}

// hanging are the Workspaces whose pods and release never become ready, or do not for now.
type hanging struct {
	mu    sync.Mutex
	names map[string]bool
}

// hangs is the prefix of names of Workspaces that never become ready.
const hangs = "hang"

func (h *hanging) fate(workspace string) actors.Fate {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.names[workspace] || strings.HasPrefix(workspace, hangs+"-") {
		return actors.Hangs
	}
	return actors.Succeeds
}

func (h *hanging) set(workspace string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names[workspace] = true
}

func (h *hanging) unset(workspace string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.names, workspace)
}

// setting is what a stage is made of.
type setting struct {
	crds   []string
	actors actors.Options
	// keep leaves the cluster running, from is where an earlier one was left.
	keep bool
	from string
}

func everything() setting { return setting{crds: []string{"gie", "flux"}} }

// open starts a lab with actors and without controller.
func (b *bench) open(ctx context.Context, s setting) (*stage, error) {
	log, err := os.OpenFile(filepath.Join(os.TempDir(), "workspace-scale.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(b.options.root)
	if err != nil {
		return nil, err
	}
	var l *lab.Lab
	if s.from != "" {
		l, err = lab.Attach(root, s.from, log)
	} else {
		name := fmt.Sprintf("scale-%d", os.Getpid())
		l, err = lab.Up(ctx, lab.Options{Root: root, Name: name, CRDs: s.crds, Nodes: b.options.nodes, Log: log})
	}
	if err != nil {
		return nil, err
	}
	st := &stage{bench: b, lab: l, crds: s.crds, keep: s.keep, hanging: &hanging{names: map[string]bool{}}}
	ctx, st.cancel = context.WithCancel(ctx)
	if err := st.fill(ctx, s); err != nil {
		return nil, errors.Join(err, st.close(ctx))
	}
	return st, nil
}

func (st *stage) fill(ctx context.Context, s setting) error {
	var err error
	if st.fleet, err = fleet.Watch(ctx, st.lab.Admin, st.lab.Client); err != nil {
		return err
	}
	s.actors.Moved, s.actors.Fate = st.fleet.Moved, st.hanging.fate
	if st.world, err = actors.Start(ctx, st.lab.Admin, s.actors); err != nil {
		return err
	}
	if slices.Contains(s.crds, "flux") {
		if err := st.world.FollowFlux(ctx); err != nil {
			return err
		}
	}
	return st.lab.WaitIdle(ctx)
}

// close ends everything that the stage started.
func (st *stage) close(ctx context.Context) error {
	var err error
	if st.controller != nil {
		err = st.controller.Stop()
	}
	st.cancel()
	if st.keep {
		_, _ = fmt.Fprintf(st.out, "scale: the fleet stays: go on with --n %d --fleet %s, or end it: %s\n", st.options.n, st.lab.Dir, st.lab.DownCommand())
		return err
	}
	return errors.Join(err, st.lab.Down(context.WithoutCancel(ctx)))
}

// startController runs the shipped binary with the feature gate on.
func (st *stage) startController(ctx context.Context) error {
	config := filepath.Join(st.lab.Dir, "config.yaml")
	text := "apiVersion: config.kaito.sh/v1alpha1\nkind: Configuration\nfeatureGates: {gatewayAPIInferenceExtension: true}\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	var err error
	binary := st.options.controller
	st.controller, err = subject.StartController(ctx, binary, st.lab.Dir, st.lab.Kubeconfig("workspace-operator"), config)
	return err
}

// startWarm starts the controller and takes one Workspace through everything.
func (st *stage) startWarm(ctx context.Context) error {
	if err := st.startController(ctx); err != nil {
		return err
	}
	if slices.Contains(st.crds, "flux") {
		if err := st.warmUp(ctx); err != nil {
			return err
		}
	}
	return st.quiet(ctx, time.Second)
}

// until waits for a condition and shows how far it is.
func (st *stage) until(ctx context.Context, what string, limit time.Duration, done func() (bool, string)) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	start, shown := time.Now(), time.Now()
	for {
		ok, state := done()
		if ok {
			return nil
		}
		if st.floor != nil && st.floor.Failure() != nil {
			return fmt.Errorf("%s: %w", what, st.floor.Failure())
		}
		if time.Since(start) > limit {
			return fmt.Errorf("%s: not after %s (%s)", what, limit, state)
		}
		if time.Since(shown) > 5*time.Second {
			shown = time.Now()
			_, _ = fmt.Fprintf(st.out, "scale: %s: %s after %.0f s\n", what, state, time.Since(start).Seconds())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// allReady waits until so many Workspaces are Ready.
func (st *stage) allReady(ctx context.Context, count int) error {
	// Enough on a machine that others use too.
	limit := time.Minute + time.Duration(count)*time.Second
	return st.until(ctx, "Workspaces Ready", limit, func() (bool, string) {
		ready := st.fleet.Ready()
		return ready >= count, fmt.Sprintf("%d of %d", ready, count)
	})
}

// quiet waits until the controller has had nothing to do for a while.
func (st *stage) quiet(ctx context.Context, pause time.Duration) error {
	last, since := -1.0, time.Now()
	return st.until(ctx, "quiet", 10*time.Minute, func() (bool, string) {
		m, err := st.controller.Metrics(ctx)
		if err != nil {
			return false, err.Error()
		}
		if now := m.Reconciles(); now != last || m.Depth() > 0 {
			last, since = now, time.Now()
		}
		return time.Since(since) > pause, fmt.Sprintf("%.0f reconciles", last)
	})
}

// begin makes the record of a scenario.
func (st *stage) begin(name string, n int) *report.Scenario {
	_, _ = fmt.Fprintf(st.out, "scale: %s N=%d\n", name, n)
	return &report.Scenario{Scenario: name, N: n, Commit: commit(st.lab.Root), Machine: machine(), At: time.Now().UTC()}
}

// end prints and keeps the record.
func (b *bench) end(s *report.Scenario) error {
	b.results = append(b.results, s)
	if err := s.Print(os.Stdout); err != nil {
		return err
	}
	if b.options.results == "" {
		return nil
	}
	file, err := os.OpenFile(b.options.results, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(s.WriteLine(file), file.Close())
}

func commit(root string) string {
	out, err := exec.Command("git", "-C", root, "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func machine() string {
	model := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(text), "model name"); ok {
			name, _, _ := strings.Cut(strings.TrimLeft(rest, "\t: "), "\n")
			model = name
		}
	}
	return fmt.Sprintf("%d × %s, %s", runtime.NumCPU(), model, runtime.Version())
}

// count adds the subject's requests of a window to a record, per one of n.
func (st *stage) count(s *report.Scenario, who string, w audit.Window, n int) (map[string]int, error) {
	counts, err := audit.Count(st.lab.Audit, who, w)
	if err != nil {
		return nil, err
	}
	s.Requests = map[string]float64{}
	for what, total := range counts {
		s.Requests[what] = float64(total) / float64(n)
	}
	return counts, nil
}

// sumOf adds up the requests that which lets through.
func sumOf(counts map[string]int, which func(audit.Request) bool) float64 {
	sum := 0
	for what, count := range counts {
		if which(audit.Request{What: what}) {
			sum += count
		}
	}
	return float64(sum)
}
