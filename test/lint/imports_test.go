// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lint

package lint

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// layers is the law of docs/architecture.md, written down a second time: a package may import those of earlier lines.
var layers = [][]string{
	{"api/v1beta1", "api/config/v1alpha1"},
	{"internal/outcome"},
	{"internal/preset", "internal/accelerator"},
	{"internal/plan"},
	{"internal/render/workload", "internal/render/pool", "internal/render/route"},
	{"internal/status"},
	{"internal/observe", "internal/apply"},
	{"internal/controller"},
	{"cmd/workspace-controller", "cmd/kubectl-workspace"},
	{"test/integration"},
}

// mayImport says what the law says of one package importing another.
func mayImport(from, to string) bool {
	layer := func(pkg string) int {
		return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, pkg) })
	}
	switch {
	case from == "internal/apply":
		return false
	case layer(to) < layer(from):
		return true
	default:
		// Families of packages: those of api, the renderers, the tests.
		return layer(to) == layer(from) && (strings.HasPrefix(from, "api/") || strings.HasPrefix(from, "internal/render/"))
	}
}

// TestLayers imports every package from every other one and compares the findings with the law.
func TestLayers(t *testing.T) {
	t.Parallel()
	s := newScratch(t)
	all := slices.Concat(layers...)
	want := map[string]bool{}
	for _, from := range all {
		for _, to := range all {
			// Two commands cannot import one another anyway, and above the commands nothing is ruled.
			if from == to || strings.HasPrefix(from, "test/") || strings.HasPrefix(from, "cmd/") && strings.HasPrefix(to, "cmd/") {
				continue
			}
			// A package below the importing one, so that no two packages import each other.
			name := fmt.Sprintf("%s/imports%s/file.go", from, packageName(strings.ReplaceAll(to, "/", "0")))
			s.importing(t, name, module+"/"+to)
			want[name] = !mayImport(from, to)
		}
	}
	refused := map[string]bool{}
	for _, f := range s.lint(t, "depguard") {
		refused[f.Pos.Filename] = true
	}
	for name, forbidden := range want {
		if refused[name] != forbidden {
			t.Errorf("%s: refused = %t, want %t", name, refused[name], forbidden)
		}
	}
}

// TestDeniedImports breaks every deny line of every depguard rule once, at the first place that the rule is for.
func TestDeniedImports(t *testing.T) {
	t.Parallel()
	s := newScratch(t)
	type breach struct{ rule, pkg string }
	places := map[string]breach{}
	for rule, settings := range depguardRules(t) {
		for i, deny := range settings.Deny {
			pkg, prefix := strings.CutSuffix(deny.Pkg, "/")
			switch {
			case strings.HasSuffix(pkg, "$"):
				pkg = strings.TrimSuffix(pkg, "$")
			case pkg == module, pkg == module+"/cmd", pkg == module+"/test":
				pkg += "/somewhere"
			case prefix:
				pkg += "/exec"
			}
			name := fmt.Sprintf("%s/deny_%s_%d.go", place(settings.Files), strings.ReplaceAll(rule, "-", "_"), i)
			s.importing(t, name, pkg)
			places[name] = breach{rule, pkg}
		}
	}
	found := map[string][]string{}
	for _, f := range s.lint(t, "depguard") {
		found[f.Pos.Filename] = append(found[f.Pos.Filename], f.Text)
	}
	for name, b := range places {
		want := fmt.Sprintf("import '%s' is not allowed from list '%s'", b.pkg, b.rule)
		if !slices.ContainsFunc(found[name], func(text string) bool { return strings.HasPrefix(text, want) }) {
			t.Errorf("%s: want %q, got %q", name, want, found[name])
		}
	}
}

// TestPurity imports into every pure package what would tie it to a cluster, a log, a clock or the environment; their
// tests may read files.
func TestPurity(t *testing.T) {
	t.Parallel()
	s := newScratch(t)
	pure := []string{"preset", "accelerator", "plan", "render/pool", "status"}
	impure := []string{
		"sigs.k8s.io/controller-runtime", "k8s.io/client-go", "github.com/go-logr/logr", "log/slog", "net/http", "os", "context",
	}
	want := map[string]bool{}
	for _, pkg := range pure {
		for _, imported := range impure {
			name := fmt.Sprintf("internal/%s/imports_%s.go", pkg, packageName(imported))
			s.importing(t, name, imported)
			want[name] = true
		}
		s.importing(t, "internal/"+pkg+"/golden_test.go", "os")
	}
	got := map[string]bool{}
	for _, f := range s.lint(t, "depguard") {
		got[f.Pos.Filename] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refused imports (-want +got):\n%s", diff)
	}
}

// place is a directory to which a rule's files apply.
func place(files []string) string {
	for _, f := range files {
		if dir, ok := strings.CutPrefix(f, "${config-path}/"); ok {
			return path.Dir(strings.TrimSuffix(dir, "*")) + "/breach"
		}
	}
	return "internal/breach"
}
