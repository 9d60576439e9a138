// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/workspace-operator/workspace-operator/test/scale/internal/fleet"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/report"
)

const (
	// fewWorkspaces is the burst that a large one is measured against.
	fewWorkspaces = 100
	// fewBursts is how many of these come before the large one, and how many after it. One takes some seconds, and a machine
	// in a cloud is a tenth faster or slower from one minute to the next.
	fewBursts = 5
)

// growth asks whether a Workspace costs more when there are many: a burst of N against the median of small ones, half of
// them before it and half after it, so that a machine that becomes slower or faster favours neither.
func (b *bench) growth(ctx context.Context) error {
	n := b.options.n
	var few []*report.Scenario
	small := func() error {
		for range fewBursts {
			s, err := b.alone(ctx, fmt.Sprintf("growth, %d of %d", len(few)+1, 2*fewBursts), fewWorkspaces)
			if err != nil {
				return err
			}
			few = append(few, s)
		}
		return nil
	}
	if err := small(); err != nil {
		return err
	}
	s, err := b.alone(ctx, "growth", n)
	if err != nil {
		return err
	}
	if err := small(); err != nil {
		return err
	}
	result := &report.Scenario{Scenario: s.Scenario, N: n, Commit: s.Commit, Machine: s.Machine, At: s.At}
	compare := func(figure, unit string) float64 {
		all := make([]float64, 0, len(few))
		for _, one := range few {
			all = append(all, one.Value(figure))
		}
		slices.Sort(all)
		median := (all[len(all)/2-1] + all[len(all)/2]) / 2
		result.Add(figure, s.Value(figure), unit)
		result.Add(fmt.Sprintf("%s: bursts of %d, least", figure, fewWorkspaces), all[0], unit)
		result.Add(fmt.Sprintf("%s: bursts of %d, median", figure, fewWorkspaces), median, unit)
		result.Add(fmt.Sprintf("%s: bursts of %d, most", figure, fewWorkspaces), all[len(all)-1], unit)
		return s.Value(figure) / median
	}
	const against = ", against bursts of 100"
	result.Count("writes per Workspace"+against, compare("writes per Workspace", ""), mostGrowth)
	result.Limit("CPU per Workspace"+against, compare("CPU per Workspace", "ms"), "×", mostGrowth)
	const others = "CPU per Workspace of load and actors"
	result.Add(others+against, compare(others, "ms"), "×")
	return b.end(result)
}

// mostGrowth is the target.
const mostGrowth = 1.1

// alone is a burst in a cluster of its own.
func (b *bench) alone(ctx context.Context, name string, n int) (*report.Scenario, error) {
	var s *report.Scenario
	err := b.on(ctx, everything(), func(ctx context.Context, st *stage) error {
		if err := st.startWarm(ctx); err != nil {
			return err
		}
		s = st.begin(name, n)
		return st.populate(ctx, s, fleet.Names(prefix, n))
	})
	return s, err
}
