// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package bundle_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/hack/release/internal/bundle"
)

const digest = "sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"

func chart(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "workspace")
	for name, text := range map[string]string{
		"Chart.yaml": "name: workspace\nversion: 0.1.0-dev\nappVersion: v0.1.0-dev\ndependencies:\n- name: flux\n  version: 0.1.0\n" +
			"annotations:\n  kaito.sh/image-digest: \"\"\n",
		"values.yaml":         "image:\n  digest: \"\"\n",
		"templates/some.yaml": "kind: ConfigMap\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestChart(t *testing.T) {
	t.Parallel()
	into := filepath.Join(t.TempDir(), "dist")
	file, err := bundle.Chart(chart(t), "v1.2.3-rc.1", digest, into)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(into, "workspace-1.2.3-rc.1.tgz"); file != want {
		t.Errorf("wrote %s, want %s", file, want)
	}
	want := map[string]string{
		"workspace/Chart.yaml": "name: workspace\nversion: 1.2.3-rc.1\nappVersion: v1.2.3-rc.1\ndependencies:\n- name: flux\n  version: 0.1.0\n" +
			"annotations:\n  kaito.sh/image-digest: " + digest + "\n",
		"workspace/values.yaml":         "image:\n  digest: \"\"\n",
		"workspace/templates/some.yaml": "kind: ConfigMap\n",
	}
	if diff := cmp.Diff(want, unpack(t, file)); diff != "" {
		t.Errorf("content (-want +got):\n%s", diff)
	}
	// Again, elsewhere: the same bytes.
	again, err := bundle.Chart(chart(t), "v1.2.3-rc.1", digest, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(read(t, file), read(t, again)); diff != "" {
		t.Error("two packages of one chart differ")
	}
}

func unpack(t *testing.T, file string) map[string]string {
	t.Helper()
	zipped, err := gzip.NewReader(strings.NewReader(read(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]string{}
	for archive := tar.NewReader(zipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return content
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		content[header.Name] = string(text)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestChartRefuses(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"", "1.2.3", "v1.2", "v1.2.3 "} {
		if _, err := bundle.Chart(chart(t), version, "", t.TempDir()); err == nil || !strings.Contains(err.Error(), "not of the form") {
			t.Errorf("version %q: %v", version, err)
		}
	}
}

func TestChecksums(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "crds"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b.tgz", "a.tgz", "crds/c.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	want := empty + "  a.tgz\n" + empty + "  b.tgz\n" + empty + "  crds/c.yaml\n"
	// The second run does not sum up the first's result.
	for range 2 {
		if err := bundle.Checksums(dir); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, read(t, filepath.Join(dir, "SHA256SUMS"))); diff != "" {
			t.Errorf("sums (-want +got):\n%s", diff)
		}
	}
}
