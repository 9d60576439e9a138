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
		end := engine.Aborted // unless it ends by itself
		defer func() {
			c.reason = c.sequence.Finish(end)
			if c.stop != nil {
				// The engine may have come to its own end before it heard of the stop text.
				c.reason = engine.Stopped
			}
		}()
		if c.echo != "" && !yield(c.echo) {
			return
		}
		held := ""
		for piece := range c.sequence.Tokens(ctx) {
			c.tokens++
			var ready string
			ready, held, c.stop = split(held+piece, c.stops)
			if ready != "" && !yield(ready) {
				return
			}
			if c.stop != nil {
				end = engine.Stopped
				break
			}
		}
		if held != "" {
			yield(held)
		}
	}
}

// split returns the text before the first stop text and that stop text, or, if there is none, the text that is safe to
// show and the rest, which could be the beginning of a stop text.
func split(text string, stops []string) (ready, held string, stop *string) {
	first := len(text)
	for _, s := range stops {
		if at := strings.Index(text, s); s != "" && at >= 0 && at < first {
			first, stop = at, &s
		}
	}
	if stop != nil {
		return text[:first], "", stop
	}
	keep := 0
	for _, s := range stops {
		for n := min(len(s)-1, len(text)); n > keep; n-- {
			if strings.HasSuffix(text, s[:n]) {
				keep = n
			}
		}
	}
	return text[:len(text)-keep], text[len(text)-keep:], nil
}
