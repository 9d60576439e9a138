// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/internal/probe"
)

func TestAsk(t *testing.T) {
	t.Parallel()
	var got, body string
	handle := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Method + " " + r.URL.Path + " " + r.UserAgent()
		text, _ := io.ReadAll(r.Body)
		body = string(text)
		switch r.Host {
		case "marked.example.com":
			w.Header().Set("x-went-into-resp-headers", "true")
		case "moved.example.com":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "broken.example.com":
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	plain, secure := httptest.NewServer(handle), httptest.NewTLSServer(handle)
	defer plain.Close()
	defer secure.Close()
	sent := map[string][2]string{
		"":    {"GET /health workspace-operator-probe", ""},
		"phi": {"POST /v1/completions workspace-operator-probe", `{"model":"phi","prompt":"workspace-operator-probe","max_tokens":-1}`},
	}
	for host, want := range map[string]probe.Answer{
		"marked.example.com": {Asked: true, Code: 200},
		"plain.example.com":  {Code: 200},
		"moved.example.com":  {Code: 302},
		"broken.example.com": {Code: 500},
	} {
		for model, request := range sent {
			for _, server := range []string{plain.URL, secure.URL} {
				scheme, address, _ := strings.Cut(server, "://")
				answer, err := probe.New().Ask(t.Context(), probe.Target{Scheme: scheme, Address: address, Host: host, Model: model})
				if diff := cmp.Diff(want, answer); err != nil || diff != "" {
					t.Errorf("%s at %s: error %v, -want +got:\n%s", host, server, err, diff)
				}
				if diff := cmp.Diff(request, [2]string{got, body}); diff != "" {
					t.Errorf("model %q: -want +got:\n%s", model, diff)
				}
			}
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	address := strings.TrimPrefix(server.URL, "http://")
	server.Close()
	if answer, err := probe.New().Ask(t.Context(), probe.Target{Scheme: "http", Address: address}); err == nil {
		t.Errorf("a closed server answered %v", answer)
	}
}
