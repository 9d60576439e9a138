// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/internal/probe"
)

const (
	agent = "workspace-operator-probe"
	body  = `{"model":"phi","prompt":"workspace-operator-probe","max_tokens":0}`
	// As vLLM writes them.
	refusal = `{"error":{"message":"max_tokens must be at least 1, got 0.","type":"BadRequestError","param":"max_tokens","code":400}}`
	unknown = `{"error":{"message":"The model does not exist.","type":"NotFoundError","param":"model","code":404}}`
	old     = `{"object":"error","message":"max_tokens must be at least 1, got 0.","type":"BadRequestError","code":400}`
)

// page is what a gateway answers to one path.
type page struct {
	marked bool
	code   int
	text   string
}

// gateway answers for one host, and keeps the requests.
type gateway struct {
	pages    map[string]page
	requests []string
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	g.requests = append(g.requests, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.UserAgent()+" "+string(text)))
	p, ok := g.pages[r.URL.Path]
	if name, _, _ := net.SplitHostPort(r.Host); !ok || name != "models.example.com" {
		http.Error(w, "nobody is called "+r.Host, http.StatusNotFound)
		return
	}
	if p.marked {
		w.Header().Set("x-went-into-resp-headers", "true")
	}
	if p.code == http.StatusMovedPermanently {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(p.code)
	_, _ = io.WriteString(w, p.text)
}

// refuse is what gateways do whose listeners have hostnames: they choose a certificate by the name in the handshake.
func refuse(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if hello.ServerName != "models.example.com" {
		return nil, fmt.Errorf("nobody is called %q", hello.ServerName)
	}
	return nil, nil //nolint:nilnil // Go on with the configuration that there is.
}

func TestAsk(t *testing.T) {
	t.Parallel()
	const health, completions = "/health", "/v1/completions"
	byHealth, byBody := []string{"GET /health " + agent}, []string{"POST " + completions + " " + agent + " " + body}
	for name, c := range map[string]struct {
		target probe.Target
		pages  map[string]page
		want   probe.Answer
		sent   []string
	}{
		"picked": {
			probe.Target{},
			map[string]page{health: {true, 200, ""}},
			probe.Answer{Asked: true, Code: 200, Own: true},
			byHealth,
		},
		"not picked": {
			probe.Target{},
			map[string]page{health: {false, 200, ""}},
			probe.Answer{Code: 200, Own: true},
			byHealth,
		},
		"redirected":    {probe.Target{}, map[string]page{health: {false, 301, ""}}, probe.Answer{Code: 301}, byHealth},
		"a key missing": {probe.Target{}, map[string]page{health: {false, 401, ""}}, probe.Answer{Code: 401}, byHealth},
		"broken":        {probe.Target{}, map[string]page{health: {false, 500, ""}}, probe.Answer{Code: 500}, byHealth},
		"by body, picked": {
			probe.Target{Model: "phi"},
			map[string]page{completions: {true, 400, refusal}},
			probe.Answer{Asked: true, Code: 400, Own: true},
			byBody,
		},
		"by body, picked by another pool": {
			probe.Target{Model: "phi"},
			map[string]page{completions: {true, 404, unknown}},
			probe.Answer{Asked: true, Code: 404, Stranger: true},
			byBody,
		},
		"by body, not picked": {
			probe.Target{Model: "phi"},
			map[string]page{completions: {false, 400, refusal}},
			probe.Answer{Code: 400, Own: true},
			byBody,
		},
		"by body, not picked, as older vLLM says it": {
			probe.Target{Model: "phi"},
			map[string]page{completions: {false, 400, old}},
			probe.Answer{Code: 400, Own: true},
			byBody,
		},
		"by body, the gateway does not like it": {
			probe.Target{Model: "phi"},
			map[string]page{completions: {false, 400, "bad request"}},
			probe.Answer{Code: 400},
			byBody,
		},
		"by body, somebody says yes": {
			probe.Target{Model: "phi"},
			map[string]page{completions: {false, 200, "{}"}},
			probe.Answer{Code: 200},
			byBody,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, scheme := range []string{"http", "https"} {
				got := &gateway{pages: c.pages}
				server := start(t, scheme, got)
				address := server.Listener.Addr().String()
				_, port, _ := net.SplitHostPort(address)
				target := c.target
				target.Doors = []probe.Door{{URL: scheme + "://models.example.com:" + port, Address: address}}
				answer, err := probe.Ask(t.Context(), target)
				if diff := cmp.Diff(c.want, answer); err != nil || diff != "" {
					t.Errorf("%s: error %v, -want +got:\n%s", scheme, err, diff)
				}
				if diff := cmp.Diff(c.sent, got.requests); diff != "" {
					t.Errorf("%s: sent (-want +got):\n%s", scheme, diff)
				}
			}
		})
	}
}

func start(t *testing.T, scheme string, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	if scheme == "https" {
		server.TLS = &tls.Config{GetConfigForClient: refuse, MinVersion: tls.VersionTLS12}
		server.StartTLS()
	} else {
		server.Start()
	}
	server.Config.ErrorLog = nil
	t.Cleanup(server.Close)
	return server
}

// closed is an address at which nobody listens any more.
func closed(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// hangsUp is the address of one who takes each connection and ends it without a word.
func hangsUp(t *testing.T) string {
	t.Helper()
	server := start(t, "http", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	return server.Listener.Addr().String()
}

// TestDoors: the first address that answers counts; if none does, each says why, and always in the same words.
func TestDoors(t *testing.T) {
	t.Parallel()
	open := start(t, "http", &gateway{pages: map[string]page{"/health": {true, 200, ""}}}).Listener.Addr().String()
	strict := start(t, "https", &gateway{}).Listener.Addr().String()
	dead, rude := closed(t), hangsUp(t)
	door := func(scheme, host, address string) probe.Door {
		_, port, _ := net.SplitHostPort(address)
		return probe.Door{URL: scheme + "://" + net.JoinHostPort(host, port), Address: address}
	}
	const host = "models.example.com"
	for name, c := range map[string]struct {
		doors   []probe.Door
		problem string
	}{
		"open":             {[]probe.Door{door("http", host, open)}, ""},
		"the second":       {[]probe.Door{door("http", host, dead), door("http", host, open)}, ""},
		"after a rude one": {[]probe.Door{door("http", host, rude), door("http", host, open)}, ""},
		"closed":           {[]probe.Door{door("http", host, dead)}, dead + ": connection refused"},
		"none":             {[]probe.Door{door("http", host, dead), door("http", host, rude)}, dead + ": connection refused; " + rude + ": EOF"},
		// Go asks no DNS for what cannot be a name.
		"no such name":   {[]probe.Door{door("http", host, "gateway..example:80")}, "gateway..example:80: no such host"},
		"another name":   {[]probe.Door{door("https", "other.example.com", strict)}, strict + ": tls: internal error"},
		"plain, not TLS": {[]probe.Door{door("https", host, open)}, open + ": http: server gave HTTP response to HTTPS client"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				_, err := probe.Ask(t.Context(), probe.Target{Doors: c.doors})
				got := ""
				if err != nil {
					got = err.Error()
				}
				if diff := cmp.Diff(c.problem, got); diff != "" {
					t.Errorf("problem (-want +got):\n%s", diff)
				}
			}
		})
	}
}
