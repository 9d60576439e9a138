// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/workload"
)

var update = flag.Bool("update", false, "rewrite testdata/*/want.yaml")

// TestRender compares what each testdata/*/plan.yaml renders to with want.yaml beside it.
func TestRender(t *testing.T) {
	t.Parallel()
	for name, p := range cases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, err := workload.Render(p)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, filepath.Join("testdata", name, "want.yaml"), text(t, w))
		})
	}
}

// compare fails unless the file holds got; with -update it is made to.
func compare(t *testing.T, golden string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("rendered objects (-want +got):\n%s", diff)
	}
}

// cases are the plans of testdata by name of their directory.
func cases(tb testing.TB) map[string]plan.Plan {
	tb.Helper()
	files, err := filepath.Glob("testdata/*/plan.yaml")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no plans in testdata: %v", err)
	}
	plans := make(map[string]plan.Plan, len(files))
	for _, file := range files {
		plans[filepath.Base(filepath.Dir(file))] = readPlan(tb, file)
	}
	return plans
}

func readPlan(tb testing.TB, file string) plan.Plan {
	tb.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	var p plan.Plan
	if err := yaml.UnmarshalStrict(data, &p); err != nil {
		tb.Fatalf("%s: %v", file, err)
	}
	return p
}

// text is what the API server would be sent, one document per object, headed by the hash of all.
func text(tb testing.TB, w workload.Workload) []byte {
	tb.Helper()
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s, hash %s\n", w.Shape(), w.Hash)
	for _, object := range w.Objects() {
		document, err := yaml.Marshal(object)
		if err != nil {
			tb.Fatal(err)
		}
		out.WriteString("---\n")
		out.Write(document)
	}
	return out.Bytes()
}
