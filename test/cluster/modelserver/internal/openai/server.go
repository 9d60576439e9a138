// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package openai serves the HTTP API of `vllm serve`: OpenAI's models, completions and chat completions, and vLLM's own
// paths beside them. Log probabilities, tool calls, images and structured output are accepted but not made.
package openai

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/engine"
)

// Config is what a server serves.
type Config struct {
	Served       []string // names of the base model
	Root         string   // the model that the names stand for
	MaxModelLen  int
	ResponseRole string
	AutoTools    bool
	ForceUsage   bool
	APIKeys      []string // none: everybody may ask
	LoRA         bool
	RuntimeLoRA  bool
	Hostname     string // sent with every answer
	Access       *slog.Logger

	Engine  *engine.Engine
	Metrics http.Handler
	// Healthy returns why the model cannot answer any more, or nil.
	Healthy func() error
}

// Version is what /version says; the build metadata tells that this is no vLLM.
const Version = "0.0.0+stand-in"

// server is the state behind the handlers.
type server struct {
	Config
	catalog *catalog
}

// Handler returns the API; adapters are there from the beginning.
func Handler(config Config, adapters []Adapter) http.Handler {
	s := &server{Config: config, catalog: newCatalog(config, adapters)}
	mux := http.NewServeMux()
	for _, path := range []string{"GET /health", "GET /ping", "POST /ping"} {
		mux.HandleFunc(path, s.health)
	}
	mux.Handle("GET /metrics", config.Metrics)
	mux.HandleFunc("GET /version", s.version)
	mux.HandleFunc("GET /v1/models", s.models)
	mux.Handle("POST /v1/completions", s.whole(s.completions))
	mux.Handle("POST /v1/chat/completions", s.whole(s.chat))
	mux.Handle("POST /tokenize", s.whole(s.tokenize))
	mux.Handle("POST /detokenize", s.whole(s.detokenize))
	if config.LoRA && config.RuntimeLoRA {
		mux.Handle("POST /v1/load_lora_adapter", s.whole(s.loadAdapter))
		mux.Handle("POST /v1/unload_lora_adapter", s.whole(s.unloadAdapter))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusNotFound, map[string]string{"detail": "Not Found"})
	})
	return s.named(s.logged(s.authorized(mux)))
}

func (s *server) health(w http.ResponseWriter, _ *http.Request) {
	if err := s.Healthy(); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (s *server) version(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"version": Version, "stand_in": true})
}

// named says with every answer which pod gave it, and that it is no model's.
func (s *server) named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Served-By", s.Hostname)
		w.Header().Set("X-Stand-In", "model-server")
		next.ServeHTTP(w, r)
	})
}

// logged writes a line for each request but those that come many times a second from probes and pickers.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(status, r)
		if r.URL.Path != "/health" && r.URL.Path != "/metrics" {
			s.Access.Info("request", "method", r.Method, "path", r.URL.Path, "status", status.status, "from", r.RemoteAddr)
		}
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController flush.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// authorized asks for a key on the paths below /v1, as vLLM does.
func (s *server) authorized(next http.Handler) http.Handler {
	if len(s.APIKeys) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		known := bearer && slices.ContainsFunc(s.APIKeys, func(key string) bool {
			return subtle.ConstantTimeCompare([]byte(key), []byte(given)) == 1
		})
		if strings.HasPrefix(r.URL.Path, "/v1") && !known {
			writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "Unauthorized"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// whole turns a handler that can fail into one that answers with the failure, and refuses while the model is not whole.
func (s *server) whole(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := s.Healthy()
		if err != nil {
			err = &failure{status: http.StatusServiceUnavailable, message: fmt.Sprintf("the engine is dead: %v", err)}
		} else {
			err = handle(w, r)
		}
		if err != nil {
			writeFailure(w, err)
		}
	})
}
