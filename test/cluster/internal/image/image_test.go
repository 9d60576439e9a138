// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/image"
)

func spec(t *testing.T) image.Spec {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(binary, []byte("#!ELF, so to speak"), 0o700); err != nil {
		t.Fatal(err)
	}
	return image.Spec{Binary: binary, Entrypoint: "/usr/local/bin/vllm", Args: []string{"serve"}, User: image.NonRoot}
}

func build(t *testing.T) (v1.Image, v1.Layer) {
	t.Helper()
	built, err := image.Build(spec(t))
	if err != nil {
		t.Fatal(err)
	}
	layers, err := built.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("layers: %v, %v, want one", layers, err)
	}
	return built, layers[0]
}

func TestConfig(t *testing.T) {
	t.Parallel()
	built, _ := build(t)
	config, err := built.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/usr/local/bin/vllm", "serve"}, config.Config.Entrypoint); diff != "" {
		t.Error(diff)
	}
	if config.Config.User != "65532:65532" || config.OS != "linux" {
		t.Errorf("config is %+v", config)
	}
}

// The layer is written anew for each reader: what is announced must be what comes.
func TestLayerIsWhatItSays(t *testing.T) {
	t.Parallel()
	_, layer := build(t)
	blob, err := layer.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	digest, size, err := v1.SHA256(blob)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := layer.Digest(); err != nil || digest != want {
		t.Errorf("the layer's digest is %v, of its content %v (%v)", want, digest, err)
	}
	if want, err := layer.Size(); err != nil || size != want {
		t.Errorf("the layer's size is %d, of its content %d (%v)", want, size, err)
	}
}

func TestRootFilesystem(t *testing.T) {
	t.Parallel()
	_, layer := build(t)
	want := map[string]int64{
		"tmp/": 0o1777, "etc/": 0o755, "var/": 0o755, "var/tmp/": 0o1777, "etc/passwd": 0o644, "etc/group": 0o644,
		"usr/local/bin/vllm": 0o755,
	}
	if diff := cmp.Diff(want, modes(t, layer)); diff != "" {
		t.Error(diff)
	}
}

// An image for a volume holds what is below the directory and nothing else.
func TestFilesOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := image.Tree(dir); err == nil {
		t.Error("an image of no files was built")
	}
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "adapter_config.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := image.Tree(dir)
	if err != nil {
		t.Fatal(err)
	}
	built, err := image.Build(image.Spec{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	layers, err := built.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("layers: %v, %v, want one", layers, err)
	}
	if diff := cmp.Diff(map[string]int64{"data/adapter_config.json": 0o644}, modes(t, layers[0])); diff != "" {
		t.Error(diff)
	}
}

// modes are those of the files and directories of a layer.
func modes(t *testing.T, layer v1.Layer) map[string]int64 {
	t.Helper()
	content, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int64{}
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found[header.Name] = header.Mode
	}
}

func TestBuildIsReproducible(t *testing.T) {
	t.Parallel()
	program := spec(t)
	var digests []string
	for range 2 {
		built, err := image.Build(program)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := built.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest.String())
	}
	if digests[0] != digests[1] {
		t.Errorf("two builds of one program: %v", digests)
	}
}

func TestBuildNeedsItsProgram(t *testing.T) {
	t.Parallel()
	if _, err := image.Build(image.Spec{Binary: filepath.Join(t.TempDir(), "none"), Entrypoint: "/x"}); err == nil {
		t.Error("an image of nothing was built")
	}
}
