// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"iter"
	"time"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/token"
)

// Request is what a client wants generated.
type Request struct {
	Prompt    string
	Adapter   string // empty for the base model
	MaxTokens int
	MinTokens int  // the answer does not end by itself before
	Endless   bool // the answer does not end by itself at all
	Seed      uint64
	// Pace is the least time between two tokens of the answer; 0 is the engine's own.
	Pace time.Duration
}

// Reason is why a request ended, in the words of OpenAI's API and vLLM's metrics.
type Reason string

// The reasons. Stopped covers the natural end and a stop string.
const (
	Stopped    Reason = "stop"
	TooLong    Reason = "length"
	Aborted    Reason = "abort"
	unfinished Reason = ""
)

// Outcome is a finished request in figures.
type Outcome struct {
	Reason          Reason
	PromptTokens    int
	GeneratedTokens int
	Queue           time.Duration // until it ran
	FirstToken      time.Duration // until its first token
	Total           time.Duration
}

// Sequence is a request on its way. Its fields are guarded by the engine's lock.
type Sequence struct {
	engine  *Engine
	request Request
	answer  *token.Answer
	prompt  int // tokens

	pieces []string
	blocks int
	reason Reason
	news   chan struct{}

	arrived, admitted, first, latest, ended time.Time
}

func newSequence(e *Engine, r Request) *Sequence {
	return &Sequence{
		engine: e, request: r, answer: token.NewAnswer(r.Prompt, r.Seed), prompt: max(1, token.Count(r.Prompt)),
		news: make(chan struct{}, 1), arrived: time.Now(),
	}
}

// Tokens yields the text of each token as it comes, until the request ends or ctx is done.
func (s *Sequence) Tokens(ctx context.Context) iter.Seq[string] {
	return func(yield func(string) bool) {
		for read := 0; ; {
			fresh, ended := s.after(read)
			for _, piece := range fresh {
				if !yield(piece) {
					return
				}
			}
			read += len(fresh)
			if ended {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-s.news:
			}
		}
	}
}

func (s *Sequence) after(read int) ([]string, bool) {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	return s.pieces[read:], s.reason != unfinished
}

// Finish ends the request if it has not ended by itself, and returns why it ended.
func (s *Sequence) Finish(reason Reason) Reason {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	s.engine.finish(s, reason)
	return s.reason
}

func (s *Sequence) tokens() int { return s.prompt + len(s.pieces) }

func (s *Sequence) push() {
	s.latest = time.Now()
	if len(s.pieces) == 0 {
		s.first = s.latest
	}
	s.pieces = append(s.pieces, s.answer.Next())
	s.notify()
}

// paused says that the next token is not to come yet.
func (s *Sequence) paused() bool { return time.Since(s.latest) < s.request.Pace }

// due returns why the request ends now, if it does.
func (s *Sequence) due() Reason {
	generated := len(s.pieces)
	switch {
	case generated >= s.request.MaxTokens:
		return TooLong
	case !s.request.Endless && generated >= s.answer.Length && generated >= s.request.MinTokens:
		return Stopped
	}
	return unfinished
}

func (s *Sequence) end(reason Reason) {
	s.reason = reason
	s.ended = time.Now()
	s.notify()
}

func (s *Sequence) notify() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func (s *Sequence) outcome() Outcome {
	o := Outcome{
		Reason: s.reason, PromptTokens: s.prompt, GeneratedTokens: len(s.pieces), Total: s.ended.Sub(s.arrived),
	}
	if !s.admitted.IsZero() {
		o.Queue = s.admitted.Sub(s.arrived)
	}
	if !s.first.IsZero() {
		o.FirstToken = s.first.Sub(s.arrived)
	}
	return o
}
