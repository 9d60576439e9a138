// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"os"
	"path/filepath"
	"testing"

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
			f := w.facts
			f.InferenceConfig = optional(t, dir, "inference_config.yaml")
			if text := optional(t, dir, "configuration.yaml"); text != "" {
				if f.Config, err = configv1alpha1.Decode([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			if err := yaml.UnmarshalStrict([]byte(optional(t, dir, "nodes.yaml")), &f.Nodes); err != nil {
				t.Fatal(err)
			}
			var ws v1beta1.Workspace
			if err := yaml.UnmarshalStrict([]byte(optional(t, dir, "workspace.yaml")), &ws); err != nil {
				t.Fatal(err)
			}
			untouched := ws.DeepCopy()
			got, err := planOf(t, w, &ws, f)
			if err != nil {
				t.Fatal(err)
			}
			text, err := yaml.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(dir, "want.yaml"), string(text))
			if again, _ := planOf(t, w, untouched, f); mustMarshal(t, again) != string(text) {
				t.Error("the plan changes from one time to the next")
			}
			if mustMarshal(t, ws) != mustMarshal(t, untouched) {
				t.Error("the Workspace was changed")
			}
		})
	}
}

func planOf(t *testing.T, w world, ws *v1beta1.Workspace, f plan.Facts) (plan.Plan, error) {
	t.Helper()
	if ws.Inference.Preset == nil {
		return plan.NewTemplate(ws, f)
	}
	return plan.New(ws, w.preset(t, ws.Inference.Preset.Name), f)
}

func optional(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}

func mustMarshal(t *testing.T, value any) string {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
