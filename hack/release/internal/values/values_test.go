// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package values_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/hack/release/internal/values"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOf(t *testing.T) {
	t.Parallel()
	got, err := values.Of(file(t, `# About the file.

# How many
# there are.
replicas: 2
# Not a row: the rows are below.
image:
  # The tag.
  tag: ""
  deep:
    # A list.
    list: []
# As a whole.
resources:
  limits:
    memory: 1Gi
`), "sub.")
	if err != nil {
		t.Fatal(err)
	}
	want := []values.Value{
		{Path: "sub.replicas", Default: "2", Text: "How many there are."},
		{Path: "sub.image.tag", Default: `""`, Text: "The tag."},
		{Path: "sub.image.deep.list", Default: "[]", Text: "A list."},
		{Path: "sub.resources", Default: `{"limits":{"memory":"1Gi"}}`, Text: "As a whole."},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestOfRefuses(t *testing.T) {
	t.Parallel()
	_, err := values.Of(file(t, "# Documented.\na: 1\nb: 2\nc:\n  # Documented.\n  d: 3\n  e: 4\n"), "")
	for _, want := range []string{"line 3: b has no comment", "line 7: c.e has no comment"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the answer is %v, want %q", err, want)
		}
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(file(t, "# Either a | b.\na: 1\n"))
	readme := filepath.Join(dir, "README.md")
	const begin, end = "<!-- values: written by make generate -->\n", "<!-- end of values -->\n"
	if err := os.WriteFile(readme, []byte("# Title\n"+begin+"old\n"+end+"tail\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := values.Write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	want := "# Title\n" + begin + "\n| Value | Default | Meaning |\n|---|---|---|\n| `a` | `1` | Either a \\| b. |\n\n" + end + "tail\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("README (-want +got):\n%s", diff)
	}
}
