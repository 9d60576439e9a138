// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"net/http"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/token"
)

func (s *server) tokenize(w http.ResponseWriter, r *http.Request) error {
	var wanted struct {
		Model    string    `json:"model"`
		Prompt   string    `json:"prompt"`
		Messages []message `json:"messages"`
	}
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	if _, err := s.catalog.find(wanted.Model); err != nil {
		return err
	}
	prompt := wanted.Prompt
	if len(wanted.Messages) > 0 {
		chat, err := render(wanted.Messages)
		if err != nil {
			return err
		}
		prompt = chat
	}
	ids := token.Encode(prompt)
	writeJSON(w, http.StatusOK, map[string]any{"count": len(ids), "max_model_len": s.MaxModelLen, "tokens": ids, "token_strs": nil})
	return nil
}

func (s *server) detokenize(w http.ResponseWriter, r *http.Request) error {
	var wanted struct {
		Model  string     `json:"model"`
		Tokens []token.ID `json:"tokens"`
	}
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	if _, err := s.catalog.find(wanted.Model); err != nil {
		return err
	}
	text, err := token.Decode(wanted.Tokens)
	if err != nil {
		return badRequest("tokens", "%v", err)
	}
	writeJSON(w, http.StatusOK, map[string]string{"prompt": text})
	return nil
}
