// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"golang.org/x/sync/errgroup"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/pki"
)

// Options is how to serve.
type Options struct {
	// Dir keeps blobs and manifests.
	Dir string
	// Address is the plain HTTP listener, Front the TLS one under the names of production.
	Address, Front string
	Certificate    pki.Pair
}

// Serve runs both listeners until ctx ends.
func Serve(ctx context.Context, o Options) error {
	store, err := newStore(o.Dir)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return listen(ctx, &http.Server{Addr: o.Address, Handler: store}, pki.Pair{}) })
	group.Go(func() error {
		return listen(ctx, &http.Server{Addr: o.Front, Handler: front(store)}, o.Certificate)
	})
	return group.Wait()
}

func listen(ctx context.Context, server *http.Server, certificate pki.Pair) error {
	server.ReadHeaderTimeout = 10 * time.Second
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", server.Addr)
	if err != nil {
		return err
	}
	if certificate.Cert != "" {
		pair, err := tls.LoadX509KeyPair(certificate.Cert, certificate.Key)
		if err != nil {
			return err
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// front serves each host's images under that host's own name: /v2/x there is /v2/<host>/x here.
func front(store http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if bare, _, err := net.SplitHostPort(host); err == nil {
			host = bare
		}
		rest, isAPI := strings.CutPrefix(r.URL.Path, "/v2/")
		if isAPI && rest != "" {
			r.URL.Path, r.URL.RawPath = "/v2/"+home(host)+"/"+rest, ""
		}
		store.ServeHTTP(w, r)
	})
}

// store adds to go-containerregistry's registry, which keeps manifests only in memory, that they survive
// a restart: each accepted manifest is written down and put again at the start.
type store struct {
	registry http.Handler
	dir      string
}

type manifest struct {
	Path, ContentType string
	Body              []byte
}

func newStore(dir string) (*store, error) {
	manifests := filepath.Join(dir, "manifests")
	for _, path := range []string{filepath.Join(dir, "blobs"), manifests} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, err
		}
	}
	quiet := log.New(io.Discard, "", 0)
	s := &store{dir: manifests, registry: registry.New(registry.Logger(quiet),
		registry.WithBlobHandler(registry.NewDiskBlobHandler(filepath.Join(dir, "blobs"))))}
	return s, s.replay()
}

// replay puts images before indexes: an index is refused while what it names is not there.
func (s *store) replay() error {
	files, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil {
		return err
	}
	var later []manifest
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var m manifest
		if err := json.Unmarshal(raw, &m); err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		if strings.Contains(m.ContentType, "index") || strings.Contains(m.ContentType, "list") {
			later = append(later, m)
			continue
		}
		if err := s.put(m); err != nil {
			return err
		}
	}
	for _, m := range later {
		if err := s.put(m); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) put(m manifest) error {
	request := httptest.NewRequest(http.MethodPut, m.Path, bytes.NewReader(m.Body))
	request.Header.Set("Content-Type", m.ContentType)
	answer := httptest.NewRecorder()
	s.registry.ServeHTTP(answer, request)
	if answer.Code != http.StatusCreated {
		return fmt.Errorf("putting %s again: %s", m.Path, answer.Body)
	}
	return nil
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
		s.registry.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m := manifest{Path: r.URL.Path, ContentType: r.Header.Get("Content-Type"), Body: body}
	if err := s.put(m); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	raw, err := json.Marshal(m)
	if err == nil {
		err = os.WriteFile(filepath.Join(s.dir, url.PathEscape(m.Path)), raw, 0o644)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	// Once more for the answer's headers: putting the same manifest twice changes nothing.
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.registry.ServeHTTP(w, r)
}
