// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/audit"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/fleet"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/lab"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/report"
)

// restart kills the controller and starts it again.
func (st *stage) restart(ctx context.Context, s *report.Scenario) error {
	if err := st.controller.Kill(); err != nil {
		return err
	}
	w := audit.Window{From: time.Now()}
	if err := st.startController(ctx); err != nil {
		return err
	}
	s.Add("caches filled", time.Since(w.From).Seconds(), "s")
	drained, depth := time.Time{}, 0.0
	err := st.until(ctx, "queue drained", 15*time.Minute, func() (bool, string) {
		m, err := st.controller.Metrics(ctx)
		if err != nil {
			return false, err.Error()
		}
		depth, drained = m.Depth(), time.Now()
		return depth == 0 && m.Reconciles() >= float64(st.options.n), fmt.Sprintf("%.0f reconciles", m.Reconciles())
	})
	if err != nil {
		return err
	}
	if err := st.quiet(ctx, 2*time.Second); err != nil {
		return err
	}
	w.To = time.Now()
	counts, err := st.count(s, st.agent(), w, st.options.n)
	if err != nil {
		return err
	}
	m, err := st.controller.Metrics(ctx)
	if err != nil {
		return err
	}
	usage, err := st.controller.Usage()
	if err != nil {
		return err
	}
	s.Limit("start to queue drained", drained.Sub(w.From).Seconds(), "s", 30)
	s.Count("writes", sumOf(counts, audit.Request.IsWrite), 0)
	// One list of each kind, and what a client asks first; it does not depend on N.
	s.Count("reads", sumOf(counts, audit.Request.IsRead), 60)
	s.Count("reconciles per Workspace", m.Reconciles()/float64(st.options.n+1), 1)
	s.Add("CPU", usage.CPU.Seconds(), "s")
	limitMemory(s, "peak RSS", st.options.n, float64(usage.PeakRSS)/mebibyte)
	s.Add("heap in use", m.Sum("go_memstats_heap_inuse_bytes")/mebibyte, "MiB")
	s.Add("goroutines", m.Sum("go_goroutines"), "")
	return nil
}

// crowd fills the cluster with what is not ours, and starts the controller again beside it.
func (st *stage) crowded(ctx context.Context, s *report.Scenario) error {
	before, err := st.controller.Metrics(ctx)
	if err != nil {
		return err
	}
	if err := st.crowd(ctx, s); err != nil {
		return err
	}
	after, err := st.controller.Metrics(ctx)
	if err != nil {
		return err
	}
	s.Count("reconciles while they came", after.Reconciles()-before.Reconciles(), 0)
	if err := st.restart(ctx, s); err != nil {
		return err
	}
	if alone := st.result("restart"); alone != nil {
		s.Limit("peak RSS, against none foreign", s.Value("peak RSS")/alone.Value("peak RSS"), "×", 1.05)
	}
	return nil
}

// mostCollected is how many Workspaces delete waits for until their children are gone too. More keep the garbage collector,
// which is not what is measured, busy for longer than everything else takes.
const mostCollected = 500

// delete removes all Workspaces at once: those that are settled, and some that never became ready.
func (st *stage) delete(ctx context.Context, s *report.Scenario, names []string) error {
	stuck := fleet.Names(hangs, max(1, len(names)/10))
	if err := st.fleet.Create(ctx, stuck); err != nil {
		return err
	}
	if err := st.quiet(ctx, time.Second); err != nil {
		return err
	}
	if err := st.lab.StartGarbageCollector(ctx); err != nil {
		return err
	}
	all := append(append(stuck, names...), warmUp)
	asked := &moments{at: map[string]time.Time{}}
	w := audit.Window{From: time.Now()}
	err := st.fleet.Each(ctx, all, func(ctx context.Context, name string) error {
		asked.note(name)
		return st.lab.Client.Delete(ctx, &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: lab.Models, Name: name}})
	})
	if err != nil {
		return err
	}
	err = st.until(ctx, "Workspaces gone", 10*time.Minute, func() (bool, string) {
		gone := len(st.fleet.Gone())
		return gone == len(all), fmt.Sprintf("%d of %d", gone, len(all))
	})
	if err != nil {
		return err
	}
	if st.options.n <= mostCollected {
		if err := st.childrenGone(ctx); err != nil {
			return err
		}
		s.Add("all children collected", time.Since(w.From).Seconds(), "s")
	}
	took := fleet.Between(asked.copy(), st.fleet.Gone())
	s.Limit("deleted to gone, p99", took.P99.Seconds(), "s", 1)
	s.Limit("deleted to gone, longest", took.Max.Seconds(), "s", 1)
	if err := st.quiet(ctx, 2*time.Second); err != nil {
		return err
	}
	counts, err := st.count(s, st.agent(), w, len(all))
	if err != nil {
		return err
	}
	s.Count("writes per deleted Workspace", sumOf(counts, audit.Request.IsWrite)/float64(len(all)), 0)
	return nil
}

// childrenGone waits until the garbage collector is through.
func (st *stage) childrenGone(ctx context.Context) error {
	return st.until(ctx, "children collected", 15*time.Minute, func() (bool, string) {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("DeploymentList"))
		releases := &metav1.PartialObjectMetadataList{}
		releases.SetGroupVersionKind(helmv2.GroupVersion.WithKind("HelmReleaseList"))
		for _, l := range []*metav1.PartialObjectMetadataList{list, releases} {
			if err := st.lab.Client.List(ctx, l, client.InNamespace(lab.Models), client.Limit(1)); err != nil {
				return false, err.Error()
			}
			if len(l.Items) > 0 {
				return false, "some are left"
			}
		}
		return true, ""
	})
}

// moments are points in time that several goroutines note.
type moments struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (m *moments) note(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at[name] = time.Now()
}

func (m *moments) copy() map[string]time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.at)
}
