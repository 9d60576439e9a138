// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/engine"
	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/token"
)

// job is a request that was found to be right.
type job struct {
	id      string
	model   string
	created int64
	prompts []string
	choices []*choice

	stream      bool
	streamUsage bool // a stream ends with the usage
}

// usage is what a request cost.
type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

// response is a whole answer or, while streaming, a part of it.
type response struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	Model   string `json:"model"`
	Choices []any  `json:"choices"`
	Usage   *usage `json:"usage,omitempty"`
	System  string `json:"system_fingerprint"`
}

// format is what differs between completions and chat completions.
type format struct {
	prefix       string // of the identifier
	object, part string // names of a whole answer and of a part
	whole        func(c *choice, text string) any
	first        func(c *choice) any // nil: a stream begins with the text
	delta        func(c *choice, text string) any
	last         func(c *choice) any
}

type textChoice struct {
	Index        int            `json:"index"`
	Text         string         `json:"text"`
	Logprobs     *struct{}      `json:"logprobs"`
	FinishReason *engine.Reason `json:"finish_reason"`
	StopReason   *string        `json:"stop_reason"`
}

func textFormat() format {
	return format{
		prefix: "cmpl-", object: "text_completion", part: "text_completion",
		whole: func(c *choice, text string) any {
			return textChoice{Index: c.index, Text: text, FinishReason: &c.reason, StopReason: c.stop}
		},
		delta: func(c *choice, text string) any { return textChoice{Index: c.index, Text: text} },
		last: func(c *choice) any {
			return textChoice{Index: c.index, FinishReason: &c.reason, StopReason: c.stop}
		},
	}
}

func (s *server) completions(w http.ResponseWriter, r *http.Request) error {
	var wanted request
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	texts, err := prompts(wanted.Prompt)
	if err != nil {
		return err
	}
	const otherwise = 16 // OpenAI's default for completions
	j, err := s.accept(r, wanted, texts, otherwise)
	if err != nil {
		return err
	}
	return s.answer(w, r, j, textFormat())
}

// accept queues all that a request asks for; otherwise is the number of tokens when the request says nothing.
func (s *server) accept(r *http.Request, wanted request, texts []string, otherwise int) (*job, error) {
	model, err := s.catalog.find(wanted.Model)
	if err != nil {
		return nil, err
	}
	slowness, err := pace(r)
	if err != nil {
		return nil, err
	}
	todo, err := wanted.engineRequests(texts, model.adapter, func(prompt string) (int, error) {
		return wanted.limit(prompt, s.MaxModelLen, otherwise)
	})
	if err != nil {
		return nil, err
	}
	j := &job{id: requestID(r), model: model.name, created: time.Now().Unix(), prompts: texts, stream: wanted.Stream}
	j.streamUsage = s.ForceUsage || wanted.StreamOptions != nil && wanted.StreamOptions.IncludeUsage
	for i, one := range todo {
		one.Pace = slowness
		c := &choice{index: i, sequence: s.Engine.Submit(one), stops: wanted.Stop}
		if wanted.Echo {
			c.echo = one.Prompt
		}
		j.choices = append(j.choices, c)
	}
	return j, nil
}

// paceHeader is the stand-in's own: a client that wants to see an answer come in pieces says how slowly.
const paceHeader = "X-Stand-In-Token-Latency"

func pace(r *http.Request) (time.Duration, error) {
	value := r.Header.Get(paceHeader)
	if value == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		return 0, badRequest("", "header %s: %q is not a duration of 0 or more, like 500ms", paceHeader, value)
	}
	return d, nil
}

// requestID is the client's own, if it sent one, so that logs of gateway and server can be matched.
func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); id != "" {
		return id
	}
	return rand.Text()
}

// answer sends what comes out of a job, whole or in parts.
func (s *server) answer(w http.ResponseWriter, r *http.Request, j *job, f format) error {
	defer j.abandon()
	if j.stream {
		j.send(w, r, f)
		return nil
	}
	answer := j.response(f.object, f.prefix)
	for _, c := range j.choices {
		var text strings.Builder
		for delta := range c.deltas(r.Context()) {
			text.WriteString(delta)
		}
		if c.reason == engine.Aborted {
			return errAborted()
		}
		answer.Choices = append(answer.Choices, f.whole(c, text.String()))
	}
	answer.Usage = j.usage()
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// errAborted is read by the client only when the server, not the client, has gone.
func errAborted() error {
	return &failure{status: http.StatusInternalServerError, message: "the engine stopped before the answer was complete"}
}

func (j *job) response(object, prefix string) response {
	return response{
		ID: prefix + j.id, Object: object, Created: j.created, Model: j.model, Choices: []any{}, System: "stand-in",
	}
}

// usage counts a prompt once, however many answers it has.
func (j *job) usage() *usage {
	var u usage
	for _, prompt := range j.prompts {
		u.PromptTokens += max(1, token.Count(prompt))
	}
	for _, c := range j.choices {
		u.CompletionTokens += c.tokens
	}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	return &u
}

// abandon ends what is still running when nobody listens any more.
func (j *job) abandon() {
	for _, c := range j.choices {
		c.sequence.Finish(engine.Aborted)
	}
}
