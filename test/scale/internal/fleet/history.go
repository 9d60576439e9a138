// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"slices"
	"time"
)

// ReadySince is, for each name that was Ready at or after a moment, when it first was then.
func (f *Fleet) ReadySince(names []string, from time.Time) map[string]time.Time {
	return f.turnsSince(names, from, true)
}

// UnreadySince is the same for not Ready.
func (f *Fleet) UnreadySince(names []string, from time.Time) map[string]time.Time {
	return f.turnsSince(names, from, false)
}

func (f *Fleet) turnsSince(names []string, from time.Time, ready bool) map[string]time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]time.Time{}
	for _, name := range names {
		for _, turn := range f.turns[name] {
			if turn.Ready == ready && !turn.At.Before(from) {
				out[name] = turn.At
				break
			}
		}
	}
	return out
}

// ReadyFor says when each name was first Ready for a generation.
func (f *Fleet) ReadyFor(names []string, generation map[string]int64) map[string]time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]time.Time{}
	for _, name := range names {
		for _, turn := range f.turns[name] {
			if turn.Ready && turn.Generation >= generation[name] {
				out[name] = turn.At
				break
			}
		}
	}
	return out
}

// Flaps is how often Ready became false after it was true, at or after a moment.
func (f *Fleet) Flaps(from time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	flaps := 0
	for _, turns := range f.turns {
		for i := 1; i < len(turns); i++ {
			if turns[i-1].Ready && !turns[i].Ready && !turns[i].At.Before(from) {
				flaps++
			}
		}
	}
	return flaps
}

// Created says when each Workspace was created.
func (f *Fleet) Created() map[string]time.Time { return f.copy(f.created) }

// LastMoved says when each Workspace had its last child moved.
func (f *Fleet) LastMoved() map[string]time.Time { return f.copy(f.moved) }

// Gone is when each Workspace was seen to be deleted.
func (f *Fleet) Gone() map[string]time.Time { return f.copy(f.gone) }

func (f *Fleet) copy(in map[string]time.Time) map[string]time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[string]time.Time, len(in))
	for name, at := range in {
		out[name] = at
	}
	return out
}

// Spread is quantiles of durations.
type Spread struct{ P50, P99, Max time.Duration }

// Between measures from one moment of each name to another; names that lack one are left out.
func Between(from, to map[string]time.Time) Spread {
	var all []time.Duration
	for name, end := range to {
		if start, ok := from[name]; ok {
			all = append(all, max(0, end.Sub(start)))
		}
	}
	if len(all) == 0 {
		return Spread{}
	}
	slices.Sort(all)
	at := func(q float64) time.Duration { return all[min(len(all)-1, int(q*float64(len(all))))] }
	return Spread{P50: at(0.5), P99: at(0.99), Max: all[len(all)-1]}
}

// Last is the latest of some moments.
func Last(moments map[string]time.Time) time.Time {
	var last time.Time
	for _, at := range moments {
		if at.After(last) {
			last = at
		}
	}
	return last
}
