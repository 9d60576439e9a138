// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/workspace-operator/workspace-operator/hack/release/internal/oci"
)

// options describe an image of a Go program that is at hand: this test.
func options(t *testing.T) oci.Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, platform := range []string{"linux_amd64", "linux_arm64"} {
		if err := os.MkdirAll(filepath.Join(dir, platform), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, platform, "operator"), program, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return oci.Options{
		Programs: dir, Name: "operator", Platforms: []string{"linux/amd64", "linux/arm64"}, Version: "v1.2.3",
		Revision: "0123456789", Created: time.Unix(1700000000, 0).UTC(), Layout: filepath.Join(t.TempDir(), "layout"),
		Documents: filepath.Join(t.TempDir(), "documents"),
	}
}

func TestMake(t *testing.T) {
	t.Parallel()
	o := options(t)
	digest, err := oci.Make(o)
	if err != nil {
		t.Fatal(err)
	}
	index := indexOf(t, o.Layout, digest)
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, entry := range manifest.Manifests {
		platforms = append(platforms, entry.Platform.String())
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64", "unknown/unknown", "unknown/unknown"}, platforms); diff != "" {
		t.Fatalf("platforms (-want +got):\n%s", diff)
	}
	checkDocuments(t, o, manifest.Manifests[0].Digest)
	checkImage(t, index, manifest.Manifests[0])
	checkAttestation(t, index, manifest.Manifests[2], manifest.Manifests[0].Digest)
}

// checkDocuments: bill of materials and provenance of each platform also lie apart.
func checkDocuments(t *testing.T, o oci.Options, about v1.Hash) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(o.Documents, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	if diff := cmp.Diff([]string{
		"operator_v1.2.3_linux_amd64.provenance.json", "operator_v1.2.3_linux_amd64.spdx.json",
		"operator_v1.2.3_linux_arm64.provenance.json", "operator_v1.2.3_linux_arm64.spdx.json",
	}, files); diff != "" {
		t.Fatalf("documents (-want +got):\n%s", diff)
	}
	raw, err := os.ReadFile(filepath.Join(o.Documents, files[0]))
	if err != nil {
		t.Fatal(err)
	}
	var said statement
	if err := json.Unmarshal(raw, &said); err != nil {
		t.Fatal(err)
	}
	if said.PredicateType != "https://slsa.dev/provenance/v1" || said.Subject[0].Digest["sha256"] != about.Hex {
		t.Errorf("the provenance is a %s of %v", said.PredicateType, said.Subject)
	}
}

func indexOf(t *testing.T, dir, digest string) v1.ImageIndex {
	t.Helper()
	outer, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := outer.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	// Tools that load a layout take its one entry.
	if len(entries.Manifests) != 1 || entries.Manifests[0].Digest.String() != digest {
		t.Fatalf("the layout has %+v, want only %s", entries.Manifests, digest)
	}
	index, err := outer.ImageIndex(entries.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func checkImage(t *testing.T, index v1.ImageIndex, entry v1.Descriptor) {
	t.Helper()
	image, err := index.Image(entry.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(image); err != nil {
		t.Error(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Architecture != "amd64" || config.Config.User != "65532:65532" || config.Config.Entrypoint[0] != "/operator" {
		t.Errorf("config %+v", config)
	}
	if config.Config.Labels["org.opencontainers.image.revision"] != "0123456789" {
		t.Errorf("labels %v", config.Config.Labels)
	}
}

func checkAttestation(t *testing.T, index v1.ImageIndex, entry v1.Descriptor, about v1.Hash) {
	t.Helper()
	if entry.Annotations["vnd.docker.reference.digest"] != about.String() {
		t.Errorf("annotations %v", entry.Annotations)
	}
	image, err := index.Image(entry.Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.Subject == nil || manifest.Subject.Digest != about {
		t.Errorf("subject %v, want %s", manifest.Subject, about)
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 2 {
		t.Fatalf("%d layers: %v", len(layers), err)
	}
	var kinds []string
	for _, layer := range layers {
		said := statementOf(t, layer)
		kinds = append(kinds, said.PredicateType)
		if said.Subject[0].Digest["sha256"] != about.Hex {
			t.Errorf("says something of %v", said.Subject)
		}
	}
	if diff := cmp.Diff([]string{"https://spdx.dev/Document", "https://slsa.dev/provenance/v1"}, kinds); diff != "" {
		t.Errorf("statements (-want +got):\n%s", diff)
	}
}

type statement struct {
	PredicateType string `json:"predicateType"`
	Subject       []struct {
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
}

func statementOf(t *testing.T, layer v1.Layer) statement {
	t.Helper()
	blob, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(blob)
	if err != nil {
		t.Fatal(err)
	}
	var said statement
	if err := json.Unmarshal(raw, &said); err != nil {
		t.Fatal(err)
	}
	return said
}

// TestPush: what a registry has then is what was returned, and all of it.
func TestPush(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	o := options(t)
	o.Push = strings.TrimPrefix(server.URL, "http://") + "/team/operator:v1.2.3"
	digest, err := oci.Make(o)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(o.Push)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	if have, err := index.Digest(); err != nil || have.String() != digest {
		t.Errorf("the registry has %s, want %s: %v", have, digest, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	checkImage(t, index, manifest.Manifests[0])
	checkAttestation(t, index, manifest.Manifests[2], manifest.Manifests[0].Digest)
}

func TestPushRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(server.Close)
	o := options(t)
	o.Push = strings.TrimPrefix(server.URL, "http://") + "/team/operator:v1.2.3"
	if _, err := oci.Make(o); err == nil || !strings.Contains(err.Error(), "pushing to "+o.Push) {
		t.Errorf("the answer is %v", err)
	}
}

// TestReproducible: the same programs give the same digest, at another time and in another directory. That two builds give
// the same programs is for make release-test.
func TestReproducible(t *testing.T) {
	t.Parallel()
	first, err := oci.Make(options(t))
	if err != nil {
		t.Fatal(err)
	}
	second, err := oci.Make(options(t))
	if err != nil {
		t.Fatal(err)
	}
	if first != second {
		t.Errorf("two builds: %s and %s", first, second)
	}
	changed := options(t)
	changed.Revision = "another"
	third, err := oci.Make(changed)
	if err != nil {
		t.Fatal(err)
	}
	if third == first {
		t.Error("another revision has the same digest")
	}
}

func TestMakeRefuses(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*oci.Options){
		"no such file": func(o *oci.Options) { o.Name = "nothing" },
		`"linux" is not of the form os/architecture`: func(o *oci.Options) { o.Platforms = []string{"linux"} },
	} {
		o := options(t)
		change(&o)
		if _, err := oci.Make(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the answer is %v, want %q", err, want)
		}
	}
}
