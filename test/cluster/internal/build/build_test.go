// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/state"
)

// repository writes a module with one tiny program where parts are expected.
func repository(t *testing.T) (string, Part) {
	t.Helper()
	root := t.TempDir()
	part := Part{
		Name: "tiny", Dir: "test/cluster/build/tiny", Package: ".", Output: "tiny", Programs: []string{"tiny"},
		Links: []string{"k8s/alias"},
		Stamp: func(version versions) []string { return []string{"main.version=" + version("example.org/lib")} },
	}
	write(t, filepath.Join(root, part.Dir, "go.mod"), "module tiny\n\ngo 1.26.0\n\nrequire example.org/lib v1.2.3\n")
	write(t, filepath.Join(root, part.Dir, "main.go"), "package main\n\nvar version string\n\nfunc main() { println(version) }\n")
	return root, part
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestBuildOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	root, part := repository(t)
	var said bytes.Buffer
	builder := Builder{Repository: root, Out: &said}
	built := func() bool {
		said.Reset()
		if err := builder.Build(t.Context(), []Part{part}); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(said.String(), "build: tiny (1/1) done")
	}
	if !built() {
		t.Error("what was never built was not built")
	}
	if built() {
		t.Error("what did not change was built again")
	}
	if target, err := os.Readlink(filepath.Join(root, "bin/k8s/alias")); err != nil || target != "../tiny" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	for name, change := range map[string]func(){
		"a source": func() {
			write(t, filepath.Join(root, part.Dir, "main.go"), "package main\n\nvar version string\n\nfunc main() {}\n")
		},
		"a new source": func() { write(t, filepath.Join(root, part.Dir, "more.go"), "package main\n") },
		"a version": func() {
			write(t, filepath.Join(root, part.Dir, "go.mod"), "module tiny\n\ngo 1.26.0\n\nrequire example.org/lib v1.2.4\n")
		},
		"a lost link":    func() { _ = os.Remove(filepath.Join(root, "bin/k8s/alias")) },
		"a lost program": func() { _ = os.Remove(filepath.Join(root, "bin/tiny")) },
	} {
		change()
		if !built() {
			t.Errorf("after %s it was not built again", name)
		}
	}
	write(t, filepath.Join(root, part.Dir, "main_test.go"), "package main\n")
	if built() {
		t.Error("a test is no input of a program")
	}
}

func TestBuildShowsTheCompilersWords(t *testing.T) {
	t.Parallel()
	root, part := repository(t)
	write(t, filepath.Join(root, part.Dir, "main.go"), "package main\n\nfunc main() { missing() }\n")
	err := Builder{Repository: root, Out: &bytes.Buffer{}}.Build(t.Context(), []Part{part})
	if err == nil || !strings.Contains(err.Error(), "undefined: missing") {
		t.Errorf("error is %v, want that missing is undefined", err)
	}
}

func TestKubernetesStamp(t *testing.T) {
	t.Parallel()
	want := []string{
		"k8s.io/component-base/version.gitVersion=v1.37.2", "k8s.io/component-base/version.gitMajor=1",
		"k8s.io/component-base/version.gitMinor=37", "k8s.io/component-base/version.gitTreeState=clean",
		"k8s.io/component-base/version.buildDate=1970-01-01T00:00:00Z",
	}
	if diff := cmp.Diff(want, kubernetesStamp("v1.37.2")); diff != "" {
		t.Error(diff)
	}
}

// Every part of the real repository pins what its version stamp names.
func TestPartsOfThisRepository(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	builder := Builder{Repository: root}
	for _, part := range Parts(root, state.TierNode) {
		if _, err := builder.arguments(part); err != nil {
			t.Errorf("%s: %v", part.Name, err)
		}
	}
	for _, tree := range trees() {
		if version, err := Version(root, tree.part, tree.module); err != nil || version == "" {
			t.Errorf("%s of %s: version %q, %v", tree.module, tree.part, version, err)
		}
	}
	if _, err := Version(root, "kube", "example.org/none"); err == nil {
		t.Error("a module that nobody requires has a version")
	}
}
