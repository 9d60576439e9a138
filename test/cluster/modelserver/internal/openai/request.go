// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/engine"
	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/token"
)

// request is the body of both kinds of completions; fields that do not change what the stand-in answers are ignored.
type request struct {
	Model    string          `json:"model"`
	Prompt   json.RawMessage `json:"prompt"`
	Messages []message       `json:"messages"`

	MaxTokens           *int  `json:"max_tokens"`
	MaxCompletionTokens *int  `json:"max_completion_tokens"`
	MinTokens           int   `json:"min_tokens"`
	N                   *int  `json:"n"`
	Seed                int64 `json:"seed"`
	IgnoreEOS           bool  `json:"ignore_eos"`
	Stop                stops `json:"stop"`
	Echo                bool  `json:"echo"`

	Stream        bool `json:"stream"`
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`

	Tools      []json.RawMessage `json:"tools"`
	ToolChoice json.RawMessage   `json:"tool_choice"`
}

// stops is one text or several at which an answer ends.
type stops []string

// UnmarshalJSON takes a string, a list of strings, or null.
func (s *stops) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		if one != "" {
			*s = stops{one}
		}
		return nil
	}
	var many []string
	if err := json.Unmarshal(data, &many); err != nil {
		return fmt.Errorf("stop: want a string or a list of strings")
	}
	*s = many
	return nil
}

// message is one turn of a chat.
type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

// text returns the content of a turn, which is a text or a list of parts; only parts of text count.
func (m message) text() (string, error) {
	if len(m.Content) == 0 || string(m.Content) == "null" {
		return "", nil
	}
	var plain string
	if err := json.Unmarshal(m.Content, &plain); err == nil {
		return plain, nil
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(m.Content, &parts); err != nil {
		return "", badRequest("messages", "the content of a message must be a text or a list of parts")
	}
	var all []string
	for _, p := range parts {
		all = append(all, p.Text)
	}
	return strings.Join(all, "\n"), nil
}

// render turns a chat into a prompt.
func render(messages []message) (string, error) {
	if len(messages) == 0 {
		return "", badRequest("messages", "a chat needs at least one message")
	}
	var prompt strings.Builder
	for _, m := range messages {
		if m.Role == "" {
			return "", badRequest("messages", "a message needs a role")
		}
		text, err := m.text()
		if err != nil {
			return "", err
		}
		prompt.WriteString("<" + m.Role + ">" + text + "\n")
	}
	return prompt.String(), nil
}

// prompts returns the prompts of a completion: a text, texts, tokens, or lists of tokens.
func prompts(raw json.RawMessage) ([]string, error) {
	var text string
	var texts []string
	var tokens []token.ID
	var lists [][]token.ID
	switch {
	case len(raw) == 0 || string(raw) == "null":
	case json.Unmarshal(raw, &text) == nil:
		return []string{text}, nil
	case json.Unmarshal(raw, &texts) == nil && len(texts) > 0:
		return texts, nil
	case json.Unmarshal(raw, &tokens) == nil && len(tokens) > 0:
		lists = [][]token.ID{tokens}
	case json.Unmarshal(raw, &lists) == nil:
	}
	if len(lists) == 0 {
		return nil, badRequest("prompt", "prompt must be a text, a list of texts, tokens, or a list of lists of tokens")
	}
	texts = nil
	for _, list := range lists {
		decoded, err := token.Decode(list)
		if err != nil {
			return nil, badRequest("prompt", "%v", err)
		}
		texts = append(texts, decoded)
	}
	return texts, nil
}

// limit returns how many tokens may be generated after the prompt; otherwise is taken when the request says nothing.
func (r request) limit(prompt string, modelLen, otherwise int) (int, error) {
	used := max(1, token.Count(prompt))
	left := modelLen - used
	if left < 1 {
		return 0, badRequest("input_tokens", "This model's maximum context length is %d tokens, and the request has %d input tokens."+
			" Please shorten the input.", modelLen, used)
	}
	wanted := r.MaxTokens
	if r.MaxCompletionTokens != nil {
		wanted = r.MaxCompletionTokens
	}
	switch {
	case wanted == nil:
		return min(otherwise, left), nil
	case *wanted < 1:
		return 0, badRequest("max_tokens", "max_tokens must be at least 1, got %d.", *wanted)
	case *wanted > left:
		return 0, badRequest("max_tokens", "'max_tokens' or 'max_completion_tokens' is too large: %d. This model's maximum"+
			" context length is %d tokens and the request has %d input tokens.", *wanted, modelLen, used)
	}
	return *wanted, nil
}

// engineRequests returns what the engine has to do: n answers to each prompt.
func (r request) engineRequests(texts []string, adapter string, limit func(string) (int, error)) ([]engine.Request, error) {
	n := 1
	if r.N != nil {
		n = *r.N
	}
	const most = 128 // far more than anybody needs, and bounded
	if n < 1 || n > most {
		return nil, badRequest("n", "n must be from 1 to %d, got %d.", most, n)
	}
	var all []engine.Request
	for _, text := range texts {
		most, err := limit(text)
		if err != nil {
			return nil, err
		}
		if r.MinTokens > most {
			return nil, badRequest("min_tokens", "min_tokens must be less than or equal to max_tokens=%d, got %d.", most, r.MinTokens)
		}
		for i := range n {
			all = append(all, engine.Request{
				Prompt: text, Adapter: adapter, MaxTokens: most, MinTokens: r.MinTokens, Endless: r.IgnoreEOS,
				Seed: uint64(r.Seed) + uint64(i),
			})
		}
	}
	return all, nil
}
