// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/workspace-operator/workspace-operator/test/scale/internal/audit"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/fleet"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/floor"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/report"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/subject"
)

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
	case "growth":
		return b.growth(ctx)
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
		st.floor = process
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
	if b.options.fleet != "" {
		return b.again(ctx)
	}
	n := b.options.n
	var floor base
	if b.options.floor {
		var err error
		if floor, err = b.measureFloor(ctx, n); err != nil {
			return fmt.Errorf("floor: %w", err)
		}
	}
	s := everything()
	s.keep = b.options.keep
	return b.on(ctx, s, func(ctx context.Context, st *stage) error {
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
		return st.acts(ctx)
	})
}

// again goes on with a fleet that an earlier run left.
func (b *bench) again(ctx context.Context) error {
	s := everything()
	s.keep, s.from = true, b.options.fleet
	return b.on(ctx, s, func(ctx context.Context, st *stage) error {
		if err := st.startController(ctx); err != nil {
			return err
		}
		if err := st.allReady(ctx, st.options.n+1); err != nil {
			return err
		}
		if err := st.quiet(ctx, time.Second); err != nil {
			return err
		}
		return st.acts(ctx)
	})
}

// acts do to the fleet what was asked for.
func (st *stage) acts(ctx context.Context) error {
	for _, act := range st.options.scenarios {
		if !slices.Contains(acts(), act) {
			continue
		}
		if err := st.act(ctx, act); err != nil {
			return fmt.Errorf("%s: %w", act, err)
		}
	}
	return nil
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
	depth := st.watchDepth(ctx, len(names))
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
