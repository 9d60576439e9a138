// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/workspace-operator/workspace-operator/test/scale/internal/report"
)

const (
	// fewWorkspaces is the burst that a large one is measured against.
	fewWorkspaces = 100
	// fewBursts is how many of these come before the large one, and how many after it. One takes some seconds, and a machine
	// in a cloud is a tenth faster or slower from one minute to the next.
	fewBursts = 5
	// mostGrowth is the target.
	mostGrowth = 1.1
)

// growth asks whether a Workspace costs more when there are many: a burst of N against the median of small ones, half of
// them before it and half after it, so that a machine that becomes slower or faster favours neither.
func (b *bench) growth(ctx context.Context) error {
	n := b.options.n
	var few []*report.Scenario
	small := func() error {
		for range fewBursts {
			s, err := b.apart(ctx, fmt.Sprintf("growth, %d of %d", len(few)+1, 2*fewBursts), fewWorkspaces, 0)
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
	s, err := b.apart(ctx, "growth", n, 0)
	if err != nil {
		return err
	}
	if err := small(); err != nil {
		return err
	}
	result := &report.Scenario{Scenario: s.Scenario, N: n, Commit: s.Commit, Machine: s.Machine, At: s.At}
	bursts := fmt.Sprintf("bursts of %d", fewWorkspaces)
	// compare notes a figure of both, and returns the name and the value of their ratio.
	compare := func(figure, unit string) (string, float64) {
		all := make([]float64, 0, len(few))
		for _, one := range few {
			all = append(all, one.Value(figure))
		}
		slices.Sort(all)
		median := (all[fewBursts-1] + all[fewBursts]) / 2
		result.Add(figure, s.Value(figure), unit)
		result.Add(figure+": "+bursts+", least", all[0], unit)
		result.Add(figure+": "+bursts+", median", median, unit)
		result.Add(figure+": "+bursts+", most", all[len(all)-1], unit)
		return figure + ", against " + bursts, s.Value(figure) / median
	}
	name, ratio := compare("writes per Workspace", "")
	result.Count(name, ratio, mostGrowth)
	name, ratio = compare("CPU per Workspace", "ms")
	result.Limit(name, ratio, "×", mostGrowth)
	name, ratio = compare("CPU per Workspace of load and actors", "ms")
	result.Add(name, ratio, "×")
	return b.end(result)
}
