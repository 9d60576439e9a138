// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func TestLocal(t *testing.T) {
	t.Parallel()
	const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for production, want := range map[string]string{
		"registry.k8s.io/pause:3.10.1":        "10.244.0.1:15000/registry.k8s.io/pause:3.10.1",
		"ghcr.io/fluxcd/source-controller:v1": "10.244.0.1:15000/ghcr.io/fluxcd/source-controller:v1",
		"docker.io/vllm/vllm-openai:v1":       "10.244.0.1:15000/docker.io/vllm/vllm-openai:v1",
		"vllm/vllm-openai:v1":                 "10.244.0.1:15000/docker.io/vllm/vllm-openai:v1",
		"busybox":                             "10.244.0.1:15000/docker.io/library/busybox:latest",
		"ghcr.io/a/b@" + digest:               "10.244.0.1:15000/ghcr.io/a/b@" + digest,
	} {
		got, err := Local("10.244.0.1:15000", production)
		if err != nil || got.Name() != want {
			t.Errorf("Local(%s) = %v, %v, want %s", production, got, err, want)
		}
	}
	for _, bad := range []string{"", "UPPER/case", "ghcr.io/a/b:", "ghcr.io/a b"} {
		if got, err := Local("10.244.0.1:15000", bad); err == nil {
			t.Errorf("Local(%q) = %v, want an error", bad, got)
		}
	}
}

func serve(t *testing.T, dir string) (*store, string) {
	t.Helper()
	s, err := newStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, strings.TrimPrefix(server.URL, "http://")
}

func reference(t *testing.T, text string) name.Reference {
	t.Helper()
	parsed, err := name.ParseReference(text, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// Tags, digests and indexes survive a restart of the registry, as a test of an outage expects.
func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, first := serve(t, dir)
	image, err := random.Image(1024, 2)
	if err != nil {
		t.Fatal(err)
	}
	index, err := random.Index(512, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(reference(t, first+"/ghcr.io/a/image:v1"), image); err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(reference(t, first+"/ghcr.io/a/index:v1"), index); err != nil {
		t.Fatal(err)
	}
	_, second := serve(t, dir)
	for tag, want := range map[string]interface{ Digest() (v1.Hash, error) }{"image:v1": image, "index:v1": index} {
		got, err := remote.Get(reference(t, second+"/ghcr.io/a/"+tag))
		if err != nil {
			t.Fatal(err)
		}
		if digest, err := want.Digest(); err != nil || got.Digest != digest {
			t.Errorf("%s is %v after the restart, want %v (%v)", tag, got.Digest, digest, err)
		}
	}
	if _, err := remote.Get(reference(t, second+"/ghcr.io/a/image:v2")); err == nil {
		t.Error("a tag that nobody pushed is there")
	}
}

// The TLS front serves each host's images under the host's own name, and docker.io under its aliases.
func TestFront(t *testing.T) {
	t.Parallel()
	s, plain := serve(t, t.TempDir())
	image, err := random.Image(256, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, home := range []string{"ghcr.io", "docker.io"} {
		if err := remote.Write(reference(t, plain+"/"+home+"/a/b:v1"), image); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewTLSServer(front(s))
	t.Cleanup(server.Close)
	client := server.Client()
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	for host, want := range map[string]int{
		"ghcr.io": 200, "ghcr.io:443": 200, "index.docker.io": 200, "registry-1.docker.io": 200, "quay.io": 404,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v2/a/b/manifests/v1", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s answers %d, want %d", host, response.StatusCode, want)
		}
	}
}
