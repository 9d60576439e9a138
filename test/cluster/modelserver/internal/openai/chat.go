// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"net/http"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/engine"
)

type reply struct {
	Role      string     `json:"role,omitempty"`
	Content   string     `json:"content"`
	ToolCalls []struct{} `json:"tool_calls,omitzero"`
}

type chatChoice struct {
	Index        int            `json:"index"`
	Message      *reply         `json:"message,omitempty"`
	Delta        *reply         `json:"delta,omitempty"`
	Logprobs     *struct{}      `json:"logprobs"`
	FinishReason *engine.Reason `json:"finish_reason"`
	StopReason   *string        `json:"stop_reason"`
}

func chatFormat(role string) format {
	return format{
		prefix: "chatcmpl-", object: "chat.completion", part: "chat.completion.chunk",
		whole: func(c *choice, text string) any {
			return chatChoice{
				Index: c.index, Message: &reply{Role: role, Content: text, ToolCalls: []struct{}{}},
				FinishReason: &c.reason, StopReason: c.stop,
			}
		},
		first: func(c *choice) any { return chatChoice{Index: c.index, Delta: &reply{Role: role}} },
		delta: func(c *choice, text string) any { return chatChoice{Index: c.index, Delta: &reply{Content: text}} },
		last: func(c *choice) any {
			return chatChoice{Index: c.index, Delta: &reply{}, FinishReason: &c.reason, StopReason: c.stop}
		},
	}
}

func (s *server) chat(w http.ResponseWriter, r *http.Request) error {
	var wanted request
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	if err := s.refuseTools(wanted); err != nil {
		return err
	}
	prompt, err := render(wanted.Messages)
	if err != nil {
		return err
	}
	wanted.Echo = false // of completions only; in a chat it repeats the last message
	j, err := s.accept(r, wanted, []string{prompt}, s.MaxModelLen)
	if err != nil {
		return err
	}
	return s.answer(w, r, j, chatFormat(s.ResponseRole))
}

// refuseTools is vLLM's rule: the model may choose a tool only when a parser is set up on the command line.
func (s *server) refuseTools(wanted request) error {
	choice := string(wanted.ToolChoice)
	auto := len(wanted.Tools) > 0 && (choice == "" || choice == "null") || choice == `"auto"`
	if auto && !s.AutoTools {
		return badRequest("tool_choice", `"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set`)
	}
	return nil
}
