// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"slices"
	"strings"
	"time"
)

// Load is what an engine is doing at one moment.
type Load struct {
	Waiting  int
	Running  int
	CacheUse float64 // 0 to 1
	Totals   Totals
	Adapters Adapters
}

// Totals only grow.
type Totals struct {
	PromptTokens    int
	GeneratedTokens int
	Preemptions     int
	PrefixQueries   int // tokens that were looked up
	PrefixHits      int // tokens that were found
}

// Adapters are the names of the adapters in use, sorted and joined by commas.
type Adapters struct {
	Running string
	Waiting string
	Changed time.Time
}

// Load returns what the engine is doing.
func (e *Engine) Load() Load {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Load{
		Waiting: len(e.waiting), Running: len(e.running),
		CacheUse: float64(e.config.Blocks-e.free) / float64(e.config.Blocks),
		Totals:   e.totals, Adapters: e.loras,
	}
}

// adapterFits says whether a request for the adapter can run beside the others.
func (e *Engine) adapterFits(name string) bool {
	if name == "" {
		return true
	}
	running := adapters(e.running)
	return slices.Contains(running, name) || len(running) < e.config.Adapters
}

func (e *Engine) noteAdapters() {
	running, waiting := strings.Join(adapters(e.running), ","), strings.Join(adapters(e.waiting), ",")
	if e.loras.Changed.IsZero() || running != e.loras.Running || waiting != e.loras.Waiting {
		e.loras = Adapters{Running: running, Waiting: waiting, Changed: time.Now()}
	}
}

func adapters(sequences []*Sequence) []string {
	var names []string
	for _, s := range sequences {
		if s.request.Adapter != "" && !slices.Contains(names, s.request.Adapter) {
			names = append(names, s.request.Adapter)
		}
	}
	slices.Sort(names)
	return names
}
