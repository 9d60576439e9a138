// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/workspace-operator/workspace-operator/test/scale/internal/audit"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/fleet"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/floor"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/report"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/subject"
)

const mebibyte = 1 << 20

// variant runs one scenario that has a cluster of its own.
func (b *bench) variant(ctx context.Context, name string) error {
	switch name {
	case "burst":
		return b.burst(ctx)
	case "slow":
		return b.slow(ctx)
	case "hol":
		return b.hol(ctx)
	case "foreign":
		return b.foreign(ctx)
	default:
		return b.fluxlate(ctx)
	}
}

// on runs a scenario on a stage of its own.
func (b *bench) on(ctx context.Context, s setting, do func(context.Context, *stage) error) error {
	st, err := b.open(ctx, s)
	if err != nil {
		return err
	}
	err = do(ctx, st)
	return errors.Join(err, st.close(ctx))
}

// base is what plain client-go takes for the same objects.
type base struct{ children, ready, cpu time.Duration }

// compare adds how a burst went against the floor. What others do with the machine meanwhile makes the first two better or
// worse; the last one counts only what either used.
func (f base) compare(s *report.Scenario) {
	s.Limit("all children written, against the floor", s.Value("all children written")/f.children.Seconds(), "×", 1.3)
	s.Limit("all Ready, against the floor", s.Value("all Ready")/f.ready.Seconds(), "×", 2)
	all := s.Value("CPU per Workspace") + s.Value("CPU per Workspace of API server and etcd")
	s.Add("CPU with API server and etcd, against the floor", all/(f.cpu.Seconds()*1000/float64(s.N)), "×")
}

// measureFloor lets plain client-go do the operator's writes, beside the same load and the same actors.
func (b *bench) measureFloor(ctx context.Context, n int) (base, error) {
	var result base
	return result, b.on(ctx, everything(), func(ctx context.Context, st *stage) error {
		s := st.begin("floor", n)
		self, err := os.Executable()
		if err != nil {
			return err
		}
		process, err := subject.Start(ctx, st.lab.Dir, "", self, "floor", st.lab.Kubeconfig("floor"), strconv.Itoa(n+1))
		if err != nil {
			return err
		}
		if err := st.watched(ctx, floor.UserAgent); err != nil {
			return errors.Join(err, process.Kill())
		}
		if err := st.warmUp(ctx); err != nil {
			return errors.Join(err, process.Kill())
		}
		names := fleet.Names(prefix, n)
		from, err := st.spentWith(process)
		if err != nil {
			return errors.Join(err, process.Kill())
		}
		start := time.Now()
		if err := st.finish(ctx, names); err != nil {
			return errors.Join(err, process.Kill())
		}
		<-process.Exited()
		w := audit.Window{From: start}
		last, err := audit.LastChild(st.lab.Audit, floor.UserAgent, w)
		if err != nil {
			return err
		}
		result.children = fleet.Last(last).Sub(start)
		to, err := st.spent(process.CPU())
		if err != nil {
			return err
		}
		result.ready = max(fleet.Last(st.fleet.ReadySince(names, start)).Sub(start), fleet.Last(st.fleet.LastMoved()).Sub(start))
		result.cpu = to.subject - from.subject + to.server - from.server + to.etcd - from.etcd
		s.Add("all children written", result.children.Seconds(), "s")
		s.Add("all Ready", result.ready.Seconds(), "s")
		addCPU(s, from, to, n)
		if _, err := st.count(s, floor.UserAgent, w, n); err != nil {
			return err
		}
		return errors.Join(process.Stop(), st.end(s))
	})
}

// warmUp takes one Workspace through everything, so that the API server has built what it builds at the first use.
func (st *stage) warmUp(ctx context.Context) error {
	return st.finish(ctx, []string{warmUp})
}

const warmUp = "warm-up"

// finish creates Workspaces and waits until nothing is left to do about them.
func (st *stage) finish(ctx context.Context, names []string) error {
	ready, released := st.fleet.Ready(), st.world.Released()
	if err := st.fleet.Create(ctx, names); err != nil {
		return err
	}
	if err := st.allReady(ctx, ready+len(names)); err != nil {
		return err
	}
	return st.until(ctx, "releases", 10*time.Minute, func() (bool, string) {
		done := st.world.Released() - released
		return done >= len(names), fmt.Sprintf("%d of %d", done, len(names))
	})
}

func (st *stage) spentWith(p *subject.Process) (spent, error) {
	usage, err := p.Usage()
	if err != nil {
		return spent{}, err
	}
	return st.spent(usage.CPU)
}

// watched waits until a program watches Workspaces.
func (st *stage) watched(ctx context.Context, who string) error {
	return st.until(ctx, who+" watches", time.Minute, func() (bool, string) {
		counts, err := audit.Count(st.lab.Audit, who, audit.Window{})
		return err == nil && counts["watch workspaces"] > 0, fmt.Sprint(counts)
	})
}

func (b *bench) burst(ctx context.Context) error {
	n := b.options.n
	var floor base
	if b.options.floor {
		var err error
		if floor, err = b.measureFloor(ctx, n); err != nil {
			return fmt.Errorf("floor: %w", err)
		}
	}
	return b.on(ctx, everything(), func(ctx context.Context, st *stage) error {
		if err := st.startWarm(ctx); err != nil {
			return err
		}
		s := st.begin("burst", n)
		if err := st.populate(ctx, s, fleet.Names(prefix, n)); err != nil {
			return err
		}
		if b.options.floor {
			floor.compare(s)
		}
		if err := st.end(s); err != nil {
			return err
		}
		for _, act := range b.options.scenarios {
			if !slices.Contains(acts(), act) {
				continue
			}
			if err := st.act(ctx, act); err != nil {
				return fmt.Errorf("%s: %w", act, err)
			}
		}
		return nil
	})
}

// populate creates Workspaces and measures until they are Ready and the controller has nothing left to do.
func (st *stage) populate(ctx context.Context, s *report.Scenario, names []string) error {
	before, err := st.controller.Metrics(ctx)
	if err != nil {
		return err
	}
	from, err := st.spentWith(st.controller)
	if err != nil {
		return err
	}
	w := audit.Window{From: time.Now()}
	depth := st.watchDepth(ctx)
	others := st.fleet.Ready()
	profiled := st.profileCPU(ctx, s.Scenario)
	if err := st.fleet.Create(ctx, names); err != nil {
		return err
	}
	s.Add("created", time.Since(w.From).Seconds(), "s")
	if err := st.allReady(ctx, others+len(names)); err != nil {
		return err
	}
	if err := st.quiet(ctx, 2*time.Second); err != nil {
		return err
	}
	w.To = time.Now()
	s.Add("queue depth, highest", depth(), "")
	if err := errors.Join(profiled(), st.profileHeap(ctx, s.Scenario)); err != nil {
		return err
	}
	if err := st.times(s, names, w); err != nil {
		return err
	}
	if err := st.counts(s, names, w); err != nil {
		return err
	}
	return st.costs(ctx, s, len(names), before, from)
}

// times adds how long it took.
func (st *stage) times(s *report.Scenario, names []string, w audit.Window) error {
	last, err := audit.LastChild(st.lab.Audit, st.agent(), w)
	if err != nil {
		return err
	}
	maps.DeleteFunc(last, func(name string, _ time.Time) bool { return !slices.Contains(names, name) })
	ready := st.fleet.ReadySince(names, w.From)
	s.Add("all children written", fleet.Last(last).Sub(w.From).Seconds(), "s")
	s.Add("all Ready", fleet.Last(ready).Sub(w.From).Seconds(), "s")
	written, settled := fleet.Between(st.fleet.Created(), last), fleet.Between(st.fleet.LastMoved(), ready)
	total := fleet.Between(st.fleet.Created(), ready)
	s.Add("creation to last child written, p50", written.P50.Seconds(), "s")
	s.Add("creation to last child written, p99", written.P99.Seconds(), "s")
	s.Add("last child ready to Ready, p50", settled.P50.Seconds(), "s")
	s.Add("last child ready to Ready, p99", settled.P99.Seconds(), "s")
	s.Add("creation to Ready, p99", total.P99.Seconds(), "s")
	s.Count("Ready became false again", float64(st.fleet.Flaps(w.From)), 0)
	return nil
}

// counts adds the requests per Workspace.
func (st *stage) counts(s *report.Scenario, names []string, w audit.Window) error {
	counts, err := st.count(s, st.agent(), w, len(names))
	if err != nil {
		return err
	}
	if len(counts) == 0 {
		return fmt.Errorf("the audit log has no request of %s: nothing was measured", st.agent())
	}
	n := float64(len(names))
	sum := func(prefixes ...string) float64 {
		return sumOf(counts, func(r audit.Request) bool {
			return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(r.What, p) })
		}) / n
	}
	s.Add("writes per Workspace", sumOf(counts, audit.Request.IsWrite)/n, "")
	s.Count("dry runs per Workspace", sum("dry-run "), 1)
	s.Count("writes of children per Workspace", sum("patch deployments", "patch services", "patch ocirepositories", "patch helmreleases",
		"patch statefulsets", "patch poddisruptionbudgets"), 4)
	s.Count("status writes per Workspace", sum("patch workspaces/status"), 3)
	s.Count("events per Workspace", sum("create events", "patch events"), 3)
	s.Count("live reads per Workspace", sumOf(counts, audit.Request.IsRead)/n, 0)
	return nil
}

// costs adds what the controller used.
func (st *stage) costs(ctx context.Context, s *report.Scenario, n int, before subject.Metrics, from spent) error {
	m, err := st.controller.Metrics(ctx)
	if err != nil {
		return err
	}
	usage, err := st.controller.Usage()
	if err != nil {
		return err
	}
	s.Count("reconciles per Workspace", (m.Reconciles()-before.Reconciles())/float64(n), 6)
	s.Count("reconciles that failed", m.Sum("controller_runtime_reconcile_errors_total", `controller="workspace"`), 0)
	to, err := st.spent(usage.CPU)
	if err != nil {
		return err
	}
	addCPU(s, from, to, n)
	limitMemory(s, "peak RSS", n, float64(usage.PeakRSS)/mebibyte)
	s.Add("RSS now", float64(usage.RSS)/mebibyte, "MiB")
	s.Add("heap in use", m.Sum("go_memstats_heap_inuse_bytes")/mebibyte, "MiB")
	s.Add("goroutines", m.Sum("go_goroutines"), "")
	s.Add("wait in the queue, p50 (bucket)", m.Quantile("workqueue_queue_duration_seconds", 0.5, `name="workspace"`), "s")
	s.Add("wait in the queue, p99 (bucket)", m.Quantile("workqueue_queue_duration_seconds", 0.99, `name="workspace"`), "s")
	s.Add("work on one, p99 (bucket)", m.Quantile("workqueue_work_duration_seconds", 0.99, `name="workspace"`), "s")
	if failed := st.world.Failures(); failed > 0 {
		return fmt.Errorf("the actors could not move %d objects", failed)
	}
	return nil
}

// limitMemory adds a figure of memory with the target that N has.
func limitMemory(s *report.Scenario, name string, n int, mib float64) {
	switch {
	case n <= 1000:
		s.Limit(name, mib, "MiB", 96)
	case n <= 10_000:
		s.Limit(name, mib, "MiB", 300)
	default:
		s.Add(name, mib, "MiB")
	}
}

// watchDepth looks at the queue until the returned function is called, which says how deep it was at most.
func (st *stage) watchDepth(ctx context.Context) func() float64 {
	ctx, cancel := context.WithCancel(ctx)
	result := make(chan float64, 1)
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		most := 0.0
		for {
			select {
			case <-ctx.Done():
				result <- most
				return
			case <-tick.C:
				if m, err := st.controller.Metrics(ctx); err == nil {
					most = max(most, m.Sum("workqueue_depth", `name="workspace"`))
				}
			}
		}
	}()
	return func() float64 {
		cancel()
		return <-result
	}
}

// profileCPU takes a profile of the next seconds, if profiles are wanted.
func (st *stage) profileCPU(ctx context.Context, name string) func() error {
	if st.options.profiles == "" {
		return func() error { return nil }
	}
	result := make(chan error, 1)
	go func() {
		result <- st.controller.Profile(ctx, "profile?seconds=10", filepath.Join(st.options.profiles, name+".cpu.pb.gz"))
	}()
	return func() error { return <-result }
}

func (st *stage) profileHeap(ctx context.Context, name string) error {
	if st.options.profiles == "" {
		return nil
	}
	return st.controller.Profile(ctx, "heap?gc=1", filepath.Join(st.options.profiles, name+".heap.pb.gz"))
}
