// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	beginKAITO = "<!-- KAITO's values: written by go test ./test/chart -run TestKAITO -update -->\n"
	endKAITO   = "<!-- end of KAITO's values -->\n"
)

// TestKAITO: values of KAITO's chart that mean the same here change nothing but what they say; each of the others is
// answered, and docs/operations.md lists the answers.
func TestKAITO(t *testing.T) {
	t.Parallel()
	same := rendered(t, values(t, cases(t, "values")["kaito"]))
	if diff := cmp.Diff(rendered(t, gateOn()).config(t), same.config(t)); diff != "" {
		t.Errorf("the configuration is another:\n%s", diff)
	}
	file := filepath.Join(chartDir(), "files", "checks", "kaito.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	table := "\n| KAITO's value | Here |\n|---|---|\n"
	for line := range strings.Lines(string(text)) {
		key, answer, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		table += fmt.Sprintf("| `%s` | %s |\n", key, answer)
		with := map[string]any{}
		put(with, strings.Split(key, "."), "x")
		if _, err := render(t, with); err == nil || !strings.Contains(err.Error(), "\n"+key+": "+answer) {
			t.Errorf("%s is answered with %v", key, err)
		}
	}
	compareBetween(t, "operations.md", [2]string{beginKAITO, endKAITO}, table+"\n")
}

// compareBetween compares what is between two marks of a page with what should be there; -update writes it.
func compareBetween(t *testing.T, page string, marks [2]string, want string) {
	t.Helper()
	file := filepath.Join(root(), "docs", page)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), marks[0])
	have, tail, closed := strings.Cut(rest, marks[1])
	if !found || !closed {
		t.Fatalf("%s lacks the marks %q", file, marks)
	}
	if *update {
		if err := os.WriteFile(file, []byte(head+marks[0]+want+marks[1]+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(have, want); diff != "" {
		t.Errorf("%s is out of date; rewrite it with -update (-have +want):\n%s", file, diff)
	}
}
