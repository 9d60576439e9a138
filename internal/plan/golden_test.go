// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// TestGolden plans testdata/<case>/workspace.yaml with the configuration, nodes and inference configuration beside it,
// where there are any, and compares the whole plan with want.yaml.
func TestGolden(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cases, err := filepath.Glob(filepath.Join("testdata", "*", "workspace.yaml"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			f := readFacts(t, w, dir)
			var ws v1beta1.Workspace
			read(t, dir, "workspace.yaml", &ws)
			untouched := ws.DeepCopy()

			got := planOf(t, w, &ws, f)
			golden(t, filepath.Join(dir, "want.yaml"), marshal(t, got))
			if diff := cmp.Diff(untouched, &ws); diff != "" {
				t.Errorf("the Workspace was changed:\n%s", diff)
			}
			if diff := cmp.Diff(got, planOf(t, w, &ws, f)); diff != "" {
				t.Errorf("the plan changes from one time to the next:\n%s", diff)
			}
		})
	}
}

func readFacts(t *testing.T, w world, dir string) plan.Facts {
	t.Helper()
	f := w.facts
	f.InferenceConfig = optional(t, dir, "inference_config.yaml")
	read(t, dir, "nodes.yaml", &f.Nodes)
	if text := optional(t, dir, "configuration.yaml"); text != "" {
		config, err := configv1alpha1.Decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		f.Config = config
	}
	return f
}

func planOf(t *testing.T, w world, ws *v1beta1.Workspace, f plan.Facts) plan.Plan {
	t.Helper()
	var got plan.Plan
	var err error
	if ws.Inference.Preset == nil {
		got, err = plan.NewTemplate(ws, f)
	} else {
		got, err = plan.New(ws, w.preset(t, ws.Inference.Preset.Name), f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func read(t *testing.T, dir, name string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(optional(t, dir, name)), into); err != nil {
		t.Fatal(err)
	}
}

// optional returns a file of the case, or nothing if the case has none.
func optional(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}

func marshal(t *testing.T, value any) string {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
