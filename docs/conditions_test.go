// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package docs tests that the documentation keeps up with the code.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tableRow is a line of conditions.md that documents one name: three cells, the first in backticks.
var tableRow = regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\| ([^|]+) \\| ([^|]+) \\|$")

// TestConditionsAreDocumented compares the constants of the API with the rows of conditions.md: each exactly once, under
// the heading for its kind, and nothing else.
func TestConditionsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("conditions.md")
	if err != nil {
		t.Fatal(err)
	}
	types, reasons, ok := strings.Cut(string(page), "\n## Summary\n")
	if !ok {
		t.Fatal("conditions.md has no heading Summary, after which the reasons come")
	}
	for prefix, section := range map[string]string{"Condition": types, "Reason": reasons} {
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			want := slices.Sorted(maps.Values(constants(t, "../api/v1beta1/conditions.go", prefix)))
			var got []string
			for _, row := range tableRow.FindAllStringSubmatch(section, -1) {
				got = append(got, row[1])
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("conditions.md documents other names than the API has (-API +page):\n%s", diff)
			}
		})
	}
}

// TestReasonsDiffer: two constants of one value would be one reason with two meanings.
func TestReasonsDiffer(t *testing.T) {
	t.Parallel()
	names := map[string]string{}
	for name, value := range constants(t, "../api/v1beta1/conditions.go", "Reason") {
		if other, ok := names[value]; ok {
			t.Errorf("%s and %s are both %q", name, other, value)
		}
		names[value] = name
	}
}

// constants are the string constants of a Go file whose names have a prefix, by name.
func constants(t *testing.T, file, prefix string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is not a string literal", spec.Names[0].Name)
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		found[spec.Names[0].Name] = value
		return true
	})
	if len(found) == 0 {
		t.Fatalf("%s has no constants named %s…", file, prefix)
	}
	return found
}
