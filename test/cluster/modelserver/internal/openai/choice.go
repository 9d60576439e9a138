// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"context"
	"iter"
	"strings"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/engine"
)

// choice is one answer on its way.
type choice struct {
	index    int
	sequence *engine.Sequence
	stops    []string
	echo     string // comes before the answer

	// Known when deltas has ended.
	tokens int
	reason engine.Reason
	stop   *string // the text at which it ended
}

// deltas yields the text as it may be shown: not before it is sure that it does not belong to a stop text.
func (c *choice) deltas(ctx context.Context) iter.Seq[string] {
	return func(yield func(string) bool) {
		defer c.conclude()
		if c.echo != "" && !yield(c.echo) {
			return
		}
		held := ""
		for piece := range c.sequence.Tokens(ctx) {
			c.tokens++
			text := split(held+piece, c.stops)
			held, c.stop = text.held, text.stop
			if text.ready != "" && !yield(text.ready) || c.stop != nil {
				return
			}
		}
		if held != "" {
			yield(held)
		}
	}
}

// conclude ends the sequence, if it has not ended by itself, and notes why.
func (c *choice) conclude() {
	if c.stop == nil {
		c.reason = c.sequence.Finish(engine.Aborted)
		return
	}
	c.sequence.Finish(engine.Stopped)
	// The engine may have come to its own end before it heard of the stop text, which is the reason all the same.
	c.reason = engine.Stopped
}

// pieces are the parts of a text that may hold a stop text.
type pieces struct {
	ready string  // can be shown
	held  string  // could be the beginning of a stop text
	stop  *string // was found after ready
}

// split takes a text apart at the first stop text, or before what could become one.
func split(text string, stops []string) pieces {
	first := len(text)
	var stop *string
	for _, s := range stops {
		if at := strings.Index(text, s); s != "" && at >= 0 && at < first {
			first, stop = at, &s
		}
	}
	if stop != nil {
		return pieces{ready: text[:first], stop: stop}
	}
	keep := 0
	for _, s := range stops {
		for n := min(len(s)-1, len(text)); n > keep; n-- {
			if strings.HasSuffix(text, s[:n]) {
				keep = n
			}
		}
	}
	return pieces{ready: text[:len(text)-keep], held: text[len(text)-keep:]}
}
