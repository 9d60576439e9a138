// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sources writes a chart with a dependency that lies beside it.
func sources(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"pool/Chart.yaml": "apiVersion: v2\nname: pool\nversion: 0.0.0\nappVersion: \"0.0.0\"\n" +
			"dependencies:\n- {name: picker, version: 0.0.0, repository: file://../lib, alias: x}\n",
		"pool/values.yaml":         "a: 1\n",
		"pool/templates/pool.yaml": "kind: ConfigMap\n",
		"lib/Chart.yaml":           "apiVersion: v2\nname: picker\nversion: 0.0.0\ntype: library\n",
		"lib/templates/_x.tpl":     "{{ define \"x\" }}{{ end }}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "pool")
}

func filesOf(t *testing.T, packed []byte) []string {
	t.Helper()
	decompressor, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	archive := tar.NewReader(decompressor)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
	}
}

func TestPack(t *testing.T) {
	t.Parallel()
	dir := sources(t)
	packed, err := Pack(dir, "v1.5.0")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"pool/Chart.yaml", "pool/templates/pool.yaml", "pool/values.yaml",
		"pool/charts/picker/Chart.yaml", "pool/charts/picker/templates/_x.tpl",
	}
	if diff := cmp.Diff(want, filesOf(t, packed)); diff != "" {
		t.Error(diff)
	}
	metadata, err := ReadMetadata(packed)
	if err != nil {
		t.Fatal(err)
	}
	if metadata.Version() != "v1.5.0" || metadata.text("appVersion") != "v1.5.0" || metadata.Name() != "pool" {
		t.Errorf("packed as %v", metadata)
	}
	if again, err := Pack(dir, "v1.5.0"); err != nil || !bytes.Equal(packed, again) {
		t.Errorf("packing twice gives two packages (%v)", err)
	}
	if _, err := ReadMetadata(packed[:len(packed)/2]); err == nil {
		t.Error("half a package is read without an error")
	}
}

func TestPackRefusesWhatIsElsewhere(t *testing.T) {
	t.Parallel()
	dir := sources(t)
	description := "name: pool\ndependencies:\n- {name: far, repository: https://charts.example}\n"
	if err := os.WriteFile(filepath.Join(dir, "Chart.yaml"), []byte(description), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Pack(dir, "v1"); err == nil {
		t.Error("a dependency that is not there was packed")
	}
}

func TestArtifact(t *testing.T) {
	t.Parallel()
	packed, err := Pack(sources(t), "v1.5.0")
	if err != nil {
		t.Fatal(err)
	}
	artifact, metadata, err := Artifact(packed)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := artifact.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.Config.MediaType != configType || len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != layerType {
		t.Errorf("media types of %+v are not those of Helm", manifest)
	}
	raw, err := artifact.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	var config Metadata
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(metadata, config); diff != "" {
		t.Error(diff)
	}
	layers, err := artifact.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("layers: %v, %v", layers, err)
	}
	content, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(content); err != nil || !bytes.Equal(got, packed) {
		t.Errorf("the layer is not the package (%v)", err)
	}
}
