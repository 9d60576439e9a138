// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package engine simulates how vLLM works through its requests: a limited number of them run at the same time, the
// others wait in order, and each token takes room in a KV cache of fixed size. So queue length and cache use, which the
// Endpoint Picker decides by, rise and fall with the requests that really come. What it says is not a model's answer.
//
// Simplified against vLLM: a prompt is prefilled in one step whatever its length, and requests with the same beginning
// save the time of computing it again but not the room.
package engine

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Config is the size and the speed of an engine.
type Config struct {
	Slots     int // requests that can run at the same time
	Blocks    int // room of the KV cache
	BlockSize int // tokens in a block
	Adapters  int // different adapters that can run at the same time

	TokenLatency   time.Duration // of one step, in which every running request gets one token
	PrefillLatency time.Duration // of each prompt token that has to be computed
	PrefixCaching  bool

	// Finished is told about each request at its end; it must not call the engine.
	Finished func(Outcome)
}

// Engine works through requests while Run runs.
type Engine struct {
	config Config
	wake   chan struct{}

	mu      sync.Mutex
	waiting []*Sequence // the first one is next
	running []*Sequence // the last one came last
	free    int         // blocks
	prefix  *prefixes
	totals  Totals
	loras   Adapters
	closed  bool
}

// New returns an engine that does nothing before Run.
func New(config Config) *Engine {
	return &Engine{config: config, wake: make(chan struct{}, 1), free: config.Blocks, prefix: newPrefixes(config.Blocks)}
}

// Run works until ctx is done and then aborts what is left.
func (e *Engine) Run(ctx context.Context) {
	defer e.close()
	for ctx.Err() == nil {
		pause, busy := e.schedule()
		if !busy {
			select {
			case <-ctx.Done():
			case <-e.wake:
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			e.step()
		}
	}
}

// Submit queues a request. The caller must Finish the sequence, at the latest when nobody reads it any more.
func (e *Engine) Submit(r Request) *Sequence {
	s := newSequence(e, r)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		s.end(Aborted)
		return s
	}
	e.waiting = append(e.waiting, s)
	e.noteAdapters()
	select {
	case e.wake <- struct{}{}:
	default:
	}
	return s
}

// schedule lets waiting requests run while there is room, and returns how long the next step takes; not busy means
// that there is nothing to do.
func (e *Engine) schedule() (time.Duration, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	pause := e.config.TokenLatency
	var passed []*Sequence
	for len(e.waiting) > 0 && len(e.running) < e.config.Slots {
		s := e.waiting[0]
		if !e.adapterFits(s.request.Adapter) {
			// Requests for other adapters may overtake, as in vLLM: else one rare adapter would stop all.
			passed, e.waiting = append(passed, s), e.waiting[1:]
			continue
		}
		need := e.blocksFor(s.tokens())
		if need > e.free {
			break
		}
		e.waiting = e.waiting[1:]
		pause += time.Duration(e.admit(s, need)) * e.config.PrefillLatency
	}
	e.waiting = slices.Concat(passed, e.waiting)
	e.noteAdapters()
	return pause, len(e.running) > 0
}

// admit lets a request run and returns how many tokens have to be computed first.
func (e *Engine) admit(s *Sequence, need int) int {
	e.free -= need
	s.blocks = need
	e.running = append(e.running, s)
	compute := s.tokens()
	if s.admitted.IsZero() {
		s.admitted = time.Now()
		e.totals.PromptTokens += s.prompt
		if e.config.PrefixCaching {
			hits := e.prefix.look(s.request.Adapter, s.request.Prompt, e.config.BlockSize)
			e.totals.PrefixQueries += s.prompt
			e.totals.PrefixHits += hits
			compute -= hits
		}
	}
	return compute
}

// step gives one token to each running request that is not to be slower.
func (e *Engine) step() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range slices.Clone(e.running) {
		if s.reason != "" || s.blocks == 0 || s.paused() || !e.grow(s) {
			continue
		}
		s.push()
		e.totals.GeneratedTokens++
		if reason := s.due(); reason != "" {
			e.finish(s, reason)
		}
	}
}

// grow makes room for one more token. When the cache is full, the request that came last has to wait again and loses
// its room; if that is s itself, it gets no token.
func (e *Engine) grow(s *Sequence) bool {
	for e.blocksFor(s.tokens()+1) > s.blocks {
		if e.free > 0 {
			e.free--
			s.blocks++
			continue
		}
		last := e.running[len(e.running)-1]
		e.running = e.running[:len(e.running)-1]
		e.release(last)
		e.waiting = slices.Insert(e.waiting, 0, last)
		e.totals.Preemptions++
		if last == s {
			return false
		}
	}
	return true
}

func (e *Engine) release(s *Sequence) {
	e.free += s.blocks
	s.blocks = 0
}

// finish ends a request wherever it is; the caller holds the lock.
func (e *Engine) finish(s *Sequence, reason Reason) {
	if s.reason != "" {
		return
	}
	is := func(other *Sequence) bool { return other == s }
	e.running = slices.DeleteFunc(e.running, is)
	e.waiting = slices.DeleteFunc(e.waiting, is)
	e.release(s)
	s.end(reason)
	e.noteAdapters()
	if e.config.Finished != nil {
		e.config.Finished(s.outcome())
	}
}

func (e *Engine) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for _, s := range slices.Concat(e.running, e.waiting) {
		e.finish(s, Aborted)
	}
}

func (e *Engine) blocksFor(tokens int) int {
	return (tokens + e.config.BlockSize - 1) / e.config.BlockSize
}
