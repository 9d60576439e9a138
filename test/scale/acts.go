// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/test/actors"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/audit"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/fleet"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/lab"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/report"
)

// act does one thing to N settled Workspaces.
func (st *stage) act(ctx context.Context, name string) error {
	s := st.begin(name, st.options.n)
	names := fleet.Names(prefix, st.options.n)
	var err error
	switch name {
	case "steady":
		err = st.steady(ctx, s)
	case "flip":
		err = st.flip(ctx, s, names)
	case "drift":
		err = st.drift(ctx, s, names)
	case "churn":
		err = st.churn(ctx, s, names)
	case "restart":
		err = st.restart(ctx, s)
	case "crowd":
		err = st.crowded(ctx, s)
	default:
		err = st.delete(ctx, s, names)
	}
	if err != nil {
		return err
	}
	return st.end(s)
}

// steady watches a fleet to which nothing happens.
func (st *stage) steady(ctx context.Context, s *report.Scenario) error {
	before, err := st.controller.Metrics(ctx)
	if err != nil {
		return err
	}
	usage, err := st.controller.Usage()
	if err != nil {
		return err
	}
	w := audit.Window{From: time.Now()}
	period := time.Duration(st.options.settle) * time.Second
	if err := pause(ctx, period); err != nil {
		return err
	}
	w.To = time.Now()
	after, err := st.controller.Metrics(ctx)
	if err != nil {
		return err
	}
	later, err := st.controller.Usage()
	if err != nil {
		return err
	}
	counts, err := st.count(s, st.agent(), w, st.options.n)
	if err != nil {
		return err
	}
	s.Add("watched for", period.Seconds(), "s")
	s.Count("requests but watches and lease", sumOf(counts, audit.Request.IsRead)+sumOf(counts, audit.Request.IsWrite), 0)
	s.Count("reconciles", after.Reconciles()-before.Reconciles(), 0)
	s.Add("CPU", (later.CPU-usage.CPU).Seconds()/period.Seconds()*1000, "thousandths of a core")
	s.Add("RSS", float64(later.RSS)/mebibyte, "MiB")
	// Some come and go with idle connections.
	s.Count("goroutines more than before", max(0, after.Sum("go_goroutines")-before.Sum("go_goroutines")), 10)
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// flip makes model Deployments not ready and ready again, some each second.
func (st *stage) flip(ctx context.Context, s *report.Scenario, names []string) error {
	names = st.some(names, 200)
	start := time.Now()
	down, err := st.flipTo(ctx, names, 0)
	if err != nil {
		return err
	}
	err = st.until(ctx, "not Ready", time.Minute, func() (bool, string) {
		seen := len(st.fleet.UnreadySince(names, start))
		return seen == len(names), fmt.Sprintf("%d of %d", seen, len(names))
	})
	if err != nil {
		return err
	}
	again := time.Now()
	up, err := st.flipTo(ctx, names, 1)
	if err != nil {
		return err
	}
	if err := st.allReady(ctx, st.options.n+1); err != nil {
		return err
	}
	if err := st.quiet(ctx, time.Second); err != nil {
		return err
	}
	falls := fleet.Between(down, st.fleet.UnreadySince(names, start))
	rises := fleet.Between(up, st.fleet.ReadySince(names, again))
	s.Add("Workspaces turned, 20 a second", float64(len(names)), "")
	s.Limit("child not ready to Ready=False, p99", falls.P99.Seconds(), "s", 1)
	s.Limit("child ready to Ready=True, p99", rises.P99.Seconds(), "s", 1)
	s.Count("falls of Ready per turn", float64(st.fleet.Flaps(start))/float64(len(names)), 1)
	counts, err := st.count(s, st.agent(), audit.Window{From: start}, len(names))
	if err != nil {
		return err
	}
	s.Count("status writes per turn and back", float64(counts["patch workspaces/status"])/float64(len(names)), 2)
	return nil
}

// flipTo writes how many pods of each Deployment are ready, and returns when.
func (st *stage) flipTo(ctx context.Context, names []string, ready int32) (map[string]time.Time, error) {
	at := map[string]time.Time{}
	err := paced(ctx, names, 20, func(name string) error {
		st.hanging.set(name)
		if ready > 0 {
			st.hanging.unset(name)
		}
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: lab.Models, Name: name}}
		at[name] = time.Now()
		return st.lab.Client.Status().Patch(ctx, d, client.RawPatch(types.MergePatchType, actors.DeploymentStatus(1, 1, ready)))
	})
	return at, err
}

// some are the Workspaces to which something happens one after the other; fewer where time is short.
func (st *stage) some(names []string, most int) []string {
	if st.options.ci {
		most /= 4
	}
	return names[:min(len(names), most)]
}

// paced calls do for each name, so many times a second.
func paced(ctx context.Context, names []string, perSecond int, do func(string) error) error {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for _, name := range names {
		if err := do(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// drift edits every HelmRelease, as a person would.
func (st *stage) drift(ctx context.Context, s *report.Scenario, names []string) error {
	before, err := st.controller.Metrics(ctx)
	if err != nil {
		return err
	}
	w := audit.Window{From: time.Now()}
	err = st.fleet.Each(ctx, names, func(ctx context.Context, name string) error {
		hr := &helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: lab.Models, Name: name + "-inferencepool"}}
		return st.lab.Client.Patch(ctx, hr, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"interval":"7m0s"}}`)), client.FieldOwner("somebody"))
	})
	if err != nil {
		return err
	}
	if err := st.quiet(ctx, 3*time.Second); err != nil {
		return err
	}
	if err := st.allReady(ctx, len(names)+1); err != nil {
		return err
	}
	w.To = time.Now()
	after, err := st.controller.Metrics(ctx)
	if err != nil {
		return err
	}
	n := float64(len(names))
	counts, err := st.count(s, st.agent(), w, len(names))
	if err != nil {
		return err
	}
	last, err := audit.LastChild(st.lab.Audit, st.agent(), w)
	if err != nil {
		return err
	}
	s.Add("all repaired", fleet.Last(last).Sub(w.From).Seconds(), "s")
	s.Count("edits that stay", float64(len(names)-len(last)), 0)
	s.Count("writes of children per edit", float64(counts["patch helmreleases"])/n, 1)
	s.Count("status writes per edit", float64(counts["patch workspaces/status"])/n, 2)
	s.Count("live reads per edit", sumOf(counts, audit.Request.IsRead)/n, 0)
	s.Count("reconciles per edit", (after.Reconciles()-before.Reconciles())/n, 6)
	return nil
}

// churn changes specs at ten a second.
func (st *stage) churn(ctx context.Context, s *report.Scenario, names []string) error {
	names = st.some(names, 300)
	before, err := st.controller.Metrics(ctx)
	if err != nil {
		return err
	}
	changed, generation := map[string]time.Time{}, map[string]int64{}
	w := audit.Window{From: time.Now()}
	err = paced(ctx, names, 10, func(name string) error {
		ws := &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: lab.Models, Name: name}}
		changed[name] = time.Now()
		err := st.lab.Client.Patch(ctx, ws, client.RawPatch(types.MergePatchType, []byte(`{"inference":{"replicas":2}}`)))
		generation[name] = ws.Generation
		return err
	})
	if err != nil {
		return err
	}
	err = st.until(ctx, "changes Ready", time.Minute, func() (bool, string) {
		done := len(st.fleet.ReadyFor(names, generation))
		return done == len(names), fmt.Sprintf("%d of %d", done, len(names))
	})
	if err != nil {
		return err
	}
	if err := st.quiet(ctx, time.Second); err != nil {
		return err
	}
	w.To = time.Now()
	after, err := st.controller.Metrics(ctx)
	if err != nil {
		return err
	}
	n := float64(len(names))
	counts, err := st.count(s, st.agent(), w, len(names))
	if err != nil {
		return err
	}
	took := fleet.Between(changed, st.fleet.ReadyFor(names, generation))
	s.Add("changes, 10 a second", n, "")
	s.Add("change to Ready, p50", took.P50.Seconds(), "s")
	s.Add("change to Ready, p99", took.P99.Seconds(), "s")
	s.Count("writes of children per change", float64(counts["patch deployments"])/n, 1)
	s.Count("status writes per change", float64(counts["patch workspaces/status"])/n, 3)
	s.Count("live reads per change", sumOf(counts, audit.Request.IsRead)/n, 0)
	s.Count("reconciles per change", (after.Reconciles()-before.Reconciles())/n, 6)
	return nil
}
