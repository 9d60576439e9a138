// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const version = "v9.8.7"

// checkout is a clone.
type checkout struct {
	dir string
}

// newCheckout clones what is committed here.
func newCheckout(t *testing.T) checkout {
	t.Helper()
	if os.Getenv("RELEASE_TEST") == "" {
		t.Skip("takes minutes: make release-test")
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return checkout{root}.clone(t, "first")
}

func (c checkout) clone(t *testing.T, name string) checkout {
	t.Helper()
	copied := checkout{filepath.Join(t.TempDir(), name)}
	if out, err := exec.CommandContext(t.Context(), "git", "clone", "--quiet", c.dir, copied.dir).CombinedOutput(); err != nil {
		t.Fatalf("cloning: %v: %s", err, out)
	}
	return copied
}

func (c checkout) write(t *testing.T, file string) {
	t.Helper()
	path := filepath.Join(c.dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("of a test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c checkout) read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// make runs a target as from a shell: what this test was started with is not passed on.
func (c checkout) make(t *testing.T, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "make", append([]string{"--no-print-directory"}, args...)...)
	command.Dir = c.dir
	command.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return name == "VERSION" || strings.HasPrefix(name, "MAKE") || name == "MFLAGS" || name == "DIST" || name == "PLATFORMS" || name == "PUSH"
	})
	out, err := command.CombinedOutput()
	return string(out), err
}

// TestRelease makes a release for both platforms and looks at it as who downloads it; then it makes the image again, in
// another directory and by compiling everything of this module anew.
func TestRelease(t *testing.T) {
	c := newCheckout(t)
	c.write(t, "dist/scale.jsonl")
	c.write(t, "dist/release/of-an-earlier-one")
	if out, err := c.make(t, "release", "VERSION="+version); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	c.read(t, "dist/scale.jsonl")
	c.checkFiles(t)
	digest := strings.TrimSpace(c.read(t, "dist/release/workspace-controller-"+version+".digest"))
	checkArchive(t, filepath.Join(c.dir, "dist/release/workspace-controller-"+version+".oci.tar"), digest)

	// Of the first, not of here, where somebody may commit meanwhile.
	again := c.clone(t, filepath.Join("a", "longer", "way", "to", "the-second"))
	forget(t, c.dir)
	out, err := again.make(t, "images", "VERSION="+version, "GOFLAGS=-trimpath -buildvcs=false -v")
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if !strings.Contains(out, "/internal/plan\n") {
		t.Errorf("nothing was compiled:\n%s", out)
	}
	if have := strings.TrimSpace(again.read(t, "dist/images/workspace-controller.digest")); have != digest {
		t.Errorf("built again the image is %s, was %s", have, digest)
	}
}

func (c checkout) checkFiles(t *testing.T) {
	t.Helper()
	var files []string
	for line := range strings.Lines(c.read(t, "dist/release/SHA256SUMS")) {
		if _, file, _ := strings.Cut(strings.TrimSpace(line), "  "); !strings.HasPrefix(file, "crds/") {
			files = append(files, file)
		}
	}
	want := []string{"workspace-" + version[1:] + ".tgz", "workspace-controller-" + version + ".digest", "workspace-controller-" + version + ".oci.tar"}
	for _, platform := range []string{"linux_amd64", "linux_arm64"} {
		for _, kind := range []string{"spdx", "provenance"} {
			want = append(want, fmt.Sprintf("sbom/workspace-controller_%s_%s.%s.json", version, platform, kind))
		}
	}
	slices.Sort(want)
	slices.Sort(files)
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files beside CRDs (-want +got):\n%s", diff)
	}
	c.read(t, "dist/release/crds/kaito.sh_workspaces.yaml")
}

// checkArchive reads an OCI archive: a tar file with an OCI layout at its root.
func checkArchive(t *testing.T, file, digest string) {
	t.Helper()
	dir := t.TempDir()
	untar(t, file, dir)
	outer, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := outer.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(entries.Manifests) != 1 || entries.Manifests[0].Digest.String() != digest {
		t.Fatalf("the archive has %+v, want only %s", entries.Manifests, digest)
	}
	index, err := outer.ImageIndex(entries.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}} {
		entry := manifest.Manifests[i]
		if !entry.Platform.Equals(want) {
			t.Errorf("image %d is for %s", i, entry.Platform)
		}
		image, err := index.Image(entry.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(image); err != nil {
			t.Error(err)
		}
	}
}

func untar(t *testing.T, file, into string) {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	for archive := tar.NewReader(in); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeDir {
			continue
		}
		path := filepath.Join(into, filepath.Clean("/"+header.Name))
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// forget removes what Go's cache has of this module's own packages, for both platforms. With -trimpath the directory is no
// part of the cache's key: a second build would only find what the first one made.
func forget(t *testing.T, dir string) {
	t.Helper()
	for _, arch := range []string{"amd64", "arm64"} {
		list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f",
			"{{with .Module}}{{if .Main}}{{$.Export}}{{end}}{{end}}", "./cmd/workspace-controller")
		list.Dir = dir
		list.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false", "GOWORK=off")
		out, err := list.Output()
		if err != nil {
			t.Fatalf("listing packages: %v", err)
		}
		for file := range strings.FieldsSeq(string(out)) {
			if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
}

func TestReleaseRefuses(t *testing.T) {
	c := newCheckout(t)
	for want, args := range map[string][]string{
		"release: say which: make release VERSION=v1.2.3": {"release"},
		"make release VERSION=v1.2.3":                     {"release", "VERSION=1.2.3"},
	} {
		if out, err := c.make(t, args...); err == nil || !strings.Contains(out, want) {
			t.Errorf("make %v: %v: %s", args, err, out)
		}
	}
	c.write(t, "charts/workspace/templates/forgotten.yaml")
	if out, err := c.make(t, "release", "VERSION="+version); err == nil || !strings.Contains(out, "not committed:\n?? charts/workspace/templates/forgotten.yaml") {
		t.Errorf("with a file that is not committed: %v: %s", err, out)
	}
}
