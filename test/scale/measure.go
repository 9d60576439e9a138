// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/workspace-operator/workspace-operator/test/scale/internal/audit"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/fleet"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/report"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/subject"
)

const mebibyte = 1 << 20

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

// watchDepth looks at the queue of n Workspaces until the returned function is called, which says how deep it was at most.
func (st *stage) watchDepth(ctx context.Context, n int) func() float64 {
	ctx, cancel := context.WithCancel(ctx)
	result := make(chan float64, 1)
	go func() {
		// Each time the controller counts its Workspaces and names those that are not Ready. Prometheus asks every half minute.
		tick := time.NewTicker(max(time.Second, time.Duration(n)*time.Second/500))
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
