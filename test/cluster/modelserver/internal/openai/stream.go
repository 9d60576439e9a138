// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/engine"
)

// event is one thing that happened to a choice.
type event struct {
	choice *choice
	text   string
	ended  bool
}

// send streams a job as server-sent events, each flushed at once.
func (j *job) send(w http.ResponseWriter, r *http.Request, f format) {
	// A client that goes away ends the context; a writing error ends it too, so that nobody is left waiting.
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := &events{w: w, flush: http.NewResponseController(w).Flush, broken: cancel}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	part := func(choices ...any) response {
		p := j.response(f.part, f.prefix)
		p.Choices = append(p.Choices, choices...)
		return p
	}
	if f.first != nil {
		for _, c := range j.choices {
			out.send(part(f.first(c)))
		}
	}
	for e := range j.events(ctx) {
		switch {
		case !e.ended:
			out.send(part(f.delta(e.choice, e.text)))
		case e.choice.reason == engine.Aborted:
			out.send(asFailure(errAborted()).body())
		default:
			out.send(part(f.last(e.choice)))
		}
	}
	if j.streamUsage {
		end := part()
		end.Usage = j.usage()
		out.send(end)
	}
	out.line("[DONE]")
}

// events returns what happens to all choices, in the order in which it happens. The channel is closed when all have
// ended; it must be read to its end.
func (j *job) events(ctx context.Context) <-chan event {
	happened := make(chan event)
	var running sync.WaitGroup
	for _, c := range j.choices {
		running.Go(func() {
			for text := range c.deltas(ctx) {
				happened <- event{choice: c, text: text}
			}
			happened <- event{choice: c, ended: true}
		})
	}
	go func() {
		running.Wait()
		close(happened)
	}()
	return happened
}

// events are those of a stream on their way to the client.
type events struct {
	w      http.ResponseWriter
	flush  func() error
	broken func()
}

func (e *events) send(v any) {
	data, err := json.Marshal(v)
	if err != nil {
		e.broken()
		return
	}
	e.line(string(data))
}

func (e *events) line(data string) {
	_, err := e.w.Write([]byte("data: " + data + "\n\n"))
	if err == nil {
		err = e.flush()
	}
	if err != nil {
		e.broken()
	}
}
