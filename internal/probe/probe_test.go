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

// gateway answers by the host that is asked for, and keeps the latest request and its body.
type gateway struct{ request, body string }

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	g.request, g.body = r.Method+" "+r.URL.Path+" "+r.UserAgent(), string(text)
	switch r.Host {
	case "marked.example.com":
		w.Header().Set("x-went-into-resp-headers", "true")
	case "moved.example.com":
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	case "broken.example.com":
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]probe.Answer{
		"marked.example.com": {Asked: true, Code: 200},
		"plain.example.com":  {Code: 200},
		"moved.example.com":  {Code: 302},
		"broken.example.com": {Code: 500},
	} {
		for model, sent := range map[string]gateway{
			"":    {"GET /health workspace-operator-probe", ""},
			"phi": {"POST /v1/completions workspace-operator-probe", `{"model":"phi","prompt":"workspace-operator-probe","max_tokens":-1}`},
		} {
			t.Run(host+" "+model, func(t *testing.T) {
				t.Parallel()
				askBoth(t, probe.Target{Host: host, Model: model}, want, sent)
			})
		}
	}
}

// askBoth asks a plain and an encrypted server.
func askBoth(t *testing.T, target probe.Target, want probe.Answer, sent gateway) {
	t.Helper()
	got := &gateway{}
	for _, server := range []*httptest.Server{httptest.NewServer(got), httptest.NewTLSServer(got)} {
		defer server.Close()
		target.Scheme, target.Address, _ = strings.Cut(server.URL, "://")
		answer, err := probe.New().Ask(t.Context(), target)
		if diff := cmp.Diff(want, answer); err != nil || diff != "" {
			t.Errorf("%s: error %v, -want +got:\n%s", server.URL, err, diff)
		}
		if *got != sent {
			t.Errorf("%s: sent %+v, want %+v", server.URL, *got, sent)
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
