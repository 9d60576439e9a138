// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lint

package lint

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const module = "github.com/workspace-operator/workspace-operator"

const header = "// Copyright The Workspace Operator Authors.\n// SPDX-License-Identifier: Apache-2.0\n\n"

// finding is what golangci-lint reports.
type finding struct {
	FromLinter string
	Text       string
	Pos        struct {
		Filename string
	}
}

// scratch is a module of our name, in which files may break rules. Libraries are stubs: what counts is the import path.
type scratch struct {
	dir   string
	stubs map[string]bool
}

func newScratch(t *testing.T) *scratch {
	t.Helper()
	config, err := os.ReadFile("../../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	s := &scratch{dir: t.TempDir(), stubs: map[string]bool{}}
	s.write(t, ".golangci.yml", string(config))
	return s
}

func (s *scratch) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// importing writes a file that imports a package, and the package itself when it is not in the standard library.
func (s *scratch) importing(t *testing.T, name, imported string) {
	t.Helper()
	text := fmt.Sprintf("package %s\n\nimport _ %q\n", packageName(path.Dir(name)), imported)
	s.write(t, name, header+text)
	s.stub(t, imported, "package "+packageName(imported)+"\n")
}

// stub writes a package of this module or of a library. Its first text wins.
func (s *scratch) stub(t *testing.T, imported, text string) {
	t.Helper()
	first, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(first, ".") {
		return
	}
	if dir, ours := strings.CutPrefix(imported, module); ours {
		s.write(t, path.Join(".", dir, "doc.go"), header+text)
		return
	}
	if s.stubs[imported] {
		return
	}
	s.stubs[imported] = true
	s.write(t, path.Join("stubs", imported, "go.mod"), "module "+imported+"\n\ngo 1.26.0\n")
	s.write(t, path.Join("stubs", imported, "doc.go"), header+text)
}

// lint runs one linter over the whole scratch module.
func (s *scratch) lint(t *testing.T, linter string) []finding {
	t.Helper()
	tool := os.Getenv("GOLANGCI_LINT")
	if tool == "" {
		t.Fatal("GOLANGCI_LINT is not set: run make lint")
	}
	var mod strings.Builder
	fmt.Fprintf(&mod, "module %s\n\ngo 1.26.0\n", module)
	for stub := range s.stubs {
		fmt.Fprintf(&mod, "\nrequire %s v%s.0.0\nreplace %s => ./stubs/%s\n", stub, major(stub), stub, stub)
	}
	s.write(t, "go.mod", mod.String())

	cmd := exec.CommandContext(t.Context(), tool, "run", "--enable-only", linter, "--allow-parallel-runners",
		"--output.json.path", "stdout", "--output.text.path", "stderr", "--show-stats=false",
		"--max-issues-per-linter=0", "--max-same-issues=0", "--uniq-by-line=false", "./...")
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "GOLANGCI_LINT_CACHE="+t.TempDir(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	// Findings exit with 1; anything else did not lint.
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) {
		t.Fatalf("golangci-lint: %v\n%s", err, stderr.String())
	}
	var report struct{ Issues []finding }
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("reading the report: %v\n%s\n%s", err, out, stderr.String())
	}
	if i := slices.IndexFunc(report.Issues, func(f finding) bool { return f.FromLinter == "typecheck" }); i >= 0 {
		t.Fatalf("the scratch module does not compile: %+v", report.Issues[i])
	}
	return report.Issues
}

// depguardRule is one rule of .golangci.yml.
type depguardRule struct {
	Files []string
	Deny  []struct{ Pkg string }
	Allow []string
}

func depguardRules(t *testing.T) map[string]depguardRule {
	t.Helper()
	text, err := os.ReadFile("../../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct{ Rules map[string]depguardRule }
			}
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	return config.Linters.Settings.Depguard.Rules
}

// packageName is a valid name for the package at a path: its last element without what identifiers may not have.
func packageName(importPath string) string {
	keep := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}
	return "p" + strings.Map(keep, path.Base(importPath))
}

// major is the version that a module path ends with.
func major(modulePath string) string {
	if v, ok := strings.CutPrefix(path.Base(modulePath), "v"); ok && v != "" && strings.Trim(v, "0123456789") == "" {
		return v
	}
	return "0"
}
