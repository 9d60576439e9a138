// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestRouteReasons: every reason of RouteReady that the API declares is what some case leads to.
func TestRouteReasons(t *testing.T) {
	t.Parallel()
	wants, err := filepath.Glob(filepath.Join("testdata", "route-*", "want.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	for _, want := range wants {
		text, err := os.ReadFile(want)
		if err != nil {
			t.Fatal(err)
		}
		told.Write(text)
	}
	reasons := routeReasons(t)
	if len(reasons) < 18 {
		t.Fatalf("found %d reasons only: %v", len(reasons), reasons)
	}
	for _, reason := range reasons {
		value := regexp.MustCompile(`RouteReady: ['"]?(True|False) ` + reason + ":")
		if !value.MatchString(told.String()) {
			t.Errorf("no case leads to %s", reason)
		}
	}
}

// routeReasons are the values of the constants below the comment that is theirs.
func routeReasons(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "api", "v1beta1", "conditions.go"), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	ours := false
	for _, declaration := range file.Decls {
		block, ok := declaration.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST {
			continue
		}
		for _, spec := range block.Specs {
			value := spec.(*ast.ValueSpec)
			if value.Doc != nil {
				ours = strings.HasPrefix(value.Doc.Text(), "Reasons of RouteReady")
			}
			if ours {
				reasons = append(reasons, text(t, value.Values[0]))
			}
		}
	}
	return reasons
}

func text(t *testing.T, value ast.Expr) string {
	t.Helper()
	unquoted, err := strconv.Unquote(value.(*ast.BasicLit).Value)
	if err != nil {
		t.Fatal(err)
	}
	return unquoted
}
