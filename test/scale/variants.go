// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/test/actors"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/audit"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/fleet"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/lab"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/report"
)

// slow is a burst whose charts take 10 s to install.
func (b *bench) slow(ctx context.Context) error {
	n, takes := min(b.options.n, 200), 10*time.Second
	floor, err := b.measureFloor(ctx, n)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	s := setting{crds: everything().crds, actors: actors.Options{Release: takes}}
	return b.on(ctx, s, func(ctx context.Context, st *stage) error {
		if err := st.startWarm(ctx); err != nil {
			return err
		}
		s := st.begin("slow", n)
		if err := st.populate(ctx, s, fleet.Names(prefix, n)); err != nil {
			return err
		}
		s.Limit("all Ready, after Flux's 10 s", s.Value("all Ready")-takes.Seconds(), "s", 2*floor.ready.Seconds())
		return st.end(s)
	})
}

// hol asks whether Workspaces that hang hold back others: the same burst without and with as many hanging ones. Each is
// measured twice, in an order in which a machine that becomes slower or faster favours neither.
func (b *bench) hol(ctx context.Context) error {
	const figure = "creation to Ready, p99"
	var alone, beside []*report.Scenario
	half := b.options.n / 2
	for _, hanging := range []int{0, half, half, 0} {
		name, all := "hol", &beside
		if hanging == 0 {
			name, all = "hol-alone", &alone
		}
		s, err := b.apart(ctx, name, half, hanging)
		if err != nil {
			return err
		}
		*all = append(*all, s)
	}
	sum := func(all []*report.Scenario) float64 { return all[0].Value(figure) + all[1].Value(figure) }
	beside[1].Limit(figure+", against none hanging", sum(beside)/sum(alone), "×", 1.1)
	return errors.Join(b.end(alone[1]), b.end(beside[1]))
}

// apart is a burst of n in a cluster of its own, while so many Workspaces hang.
func (b *bench) apart(ctx context.Context, name string, n, hanging int) (*report.Scenario, error) {
	var s *report.Scenario
	err := b.on(ctx, everything(), func(ctx context.Context, st *stage) error {
		if err := st.startWarm(ctx); err != nil {
			return err
		}
		if hanging > 0 {
			if err := st.fleet.Create(ctx, fleet.Names(hangs, hanging)); err != nil {
				return err
			}
			if err := st.quiet(ctx, 2*time.Second); err != nil {
				return err
			}
		}
		s = st.begin(name, n)
		return st.populate(ctx, s, fleet.Names(prefix, n))
	})
	return s, err
}

// foreign is a burst in a cluster that is full of what is not ours.
func (b *bench) foreign(ctx context.Context) error {
	n := b.options.n
	return b.on(ctx, everything(), func(ctx context.Context, st *stage) error {
		s := st.begin("foreign", n)
		if err := st.crowd(ctx, s); err != nil {
			return err
		}
		if err := st.startWarm(ctx); err != nil {
			return err
		}
		if err := st.populate(ctx, s, fleet.Names(prefix, n)); err != nil {
			return err
		}
		if own := b.result("burst"); own != nil {
			s.Limit("peak RSS, against none foreign", s.Value("peak RSS")/own.Value("peak RSS"), "×", 1.05)
		}
		return st.end(s)
	})
}

func (b *bench) result(scenario string) *report.Scenario {
	for _, s := range b.results {
		if s.Scenario == scenario {
			return s
		}
	}
	return nil
}

// crowd fills the cluster.
func (st *stage) crowd(ctx context.Context, s *report.Scenario) error {
	pods, releases := 10_000, 2000
	if st.options.ci {
		pods, releases = 5*s.N, s.N
	}
	s.Add("foreign Pods, and as many Secrets", float64(pods), "")
	s.Add("foreign HelmReleases", float64(releases), "")
	secret := make([]byte, 4096)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: lab.Foreign, Name: "default"}}
	if err := st.lab.Client.Create(ctx, account); err != nil {
		return fmt.Errorf("making the foreign service account: %w", err)
	}
	err := st.fleet.Each(ctx, fleet.Names("foreign", pods), func(ctx context.Context, name string) error {
		meta := metav1.ObjectMeta{Namespace: lab.Foreign, Name: name, Labels: map[string]string{"app": name}}
		if err := st.lab.Client.Create(ctx, &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"key": secret}}); err != nil {
			return err
		}
		container := corev1.Container{Name: "main", Image: "registry.example/app:v1", Command: []string{"/app", "serve"}}
		return st.lab.Client.Create(ctx, &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{
			AutomountServiceAccountToken: new(false), Containers: []corev1.Container{container},
		}})
	})
	if err != nil {
		return fmt.Errorf("making foreign Pods and Secrets: %w", err)
	}
	err = st.fleet.Each(ctx, fleet.Names("foreign", releases), func(ctx context.Context, name string) error {
		return st.lab.Client.Create(ctx, &helmv2.HelmRelease{
			ObjectMeta: metav1.ObjectMeta{Namespace: lab.Foreign, Name: name},
			Spec: helmv2.HelmReleaseSpec{
				Interval: metav1.Duration{Duration: time.Hour},
				ChartRef: &helmv2.CrossNamespaceSourceReference{Kind: "OCIRepository", Name: name},
			},
		})
	})
	if err != nil {
		return fmt.Errorf("making foreign HelmReleases: %w", err)
	}
	return nil
}

// fluxlate installs Flux's CRDs after the Workspaces.
func (b *bench) fluxlate(ctx context.Context) error {
	n := b.options.n
	return b.on(ctx, setting{crds: []string{"gie"}}, func(ctx context.Context, st *stage) error {
		if err := st.startWarm(ctx); err != nil {
			return err
		}
		s := st.begin("fluxlate", n)
		names := fleet.Names(prefix, n)
		if err := st.fleet.Create(ctx, names); err != nil {
			return err
		}
		if err := st.quiet(ctx, 2*time.Second); err != nil {
			return err
		}
		before, err := st.controller.Metrics(ctx)
		if err != nil {
			return err
		}
		w := audit.Window{From: time.Now()}
		if err := st.lab.InstallCRDs(ctx, "flux"); err != nil {
			return err
		}
		if err := st.world.FollowFlux(ctx); err != nil {
			return err
		}
		if err := st.allReady(ctx, n); err != nil {
			return err
		}
		if err := st.quiet(ctx, 2*time.Second); err != nil {
			return err
		}
		w.To = time.Now()
		s.Add("CRDs installed to all Ready", fleet.Last(st.fleet.ReadySince(names, w.From)).Sub(w.From).Seconds(), "s")
		after, err := st.controller.Metrics(ctx)
		if err != nil {
			return err
		}
		s.Count("reconciles per Workspace", (after.Reconciles()-before.Reconciles())/float64(n), 6)
		counts, err := st.count(s, st.agent(), w, n)
		if err != nil {
			return err
		}
		s.Count("writes of children per Workspace", float64(counts["patch ocirepositories"]+counts["patch helmreleases"])/float64(n), 2)
		s.Count("status writes per Workspace", float64(counts["patch workspaces/status"])/float64(n), 3)
		s.Count("live reads per Workspace", sumOf(counts, audit.Request.IsRead)/float64(n), 1)
		return st.end(s)
	})
}
