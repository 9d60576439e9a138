// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// multiNode is a model over three nodes.
func multiNode(ws *v1beta1.Workspace) {
	ws.Inference.Preset.Name = "llama-3.3-70b-instruct"
	ws.Inference.Preset.PresetOptions.ModelAccessSecret = "hf-token"
}

// TestChildren lists everything that the operator writes for a Workspace.
func TestChildren(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change   func(*v1beta1.Workspace)
		children []string
		selector map[string]string
	}{
		"Deployment": {
			change: func(*v1beta1.Workspace) {},
			children: []string{
				"Deployment/model", "HelmRelease/model-inferencepool", "OCIRepository/model-inferencepool",
				"PodDisruptionBudget/model-inferencepool-epp", "Service/model",
			},
			selector: map[string]string{v1beta1.LabelWorkspace: "model"},
		},
		"StatefulSet": {
			change: multiNode,
			children: []string{
				"HelmRelease/model-inferencepool", "OCIRepository/model-inferencepool", "PodDisruptionBudget/model-inferencepool-epp",
				"Service/model", "Service/model-headless", "StatefulSet/model",
			},
			selector: map[string]string{v1beta1.LabelWorkspace: "model", v1beta1.LabelPodIndex: "0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, shared)
			ws := s.workspace("model", c.change)
			s.expect("model", "InferenceReady=False LoadingModel", "InferencePoolReady=False PoolProgressing")
			if diff := cmp.Diff(c.children, s.written()); diff != "" {
				t.Errorf("children (-want +have):\n%s", diff)
			}
			owner := *metav1.NewControllerRef(ws, v1beta1.GroupVersion.WithKind("Workspace"))
			marked := s.everything(func(obj metav1.Object) bool {
				refs, labels := obj.GetOwnerReferences(), obj.GetLabels()
				return len(refs) == 1 && cmp.Equal(refs[0], owner) &&
					labels[v1beta1.LabelWorkspace] == "model" && labels[v1beta1.LabelManagedBy] == v1beta1.ManagedBy
			})
			if diff := cmp.Diff(c.children, marked); diff != "" {
				t.Errorf("children with owner and labels (-want +have):\n%s", diff)
			}
			values := map[string]any{}
			s.Expect(json.Unmarshal(s.release("model").Spec.Values.Raw, &values)).To(gomega.Succeed())
			servers := values["inferencePool"].(map[string]any)["modelServers"].(map[string]any)
			want := map[string]any{}
			for key, value := range c.selector {
				want[key] = value
			}
			if diff := cmp.Diff(want, servers["matchLabels"]); diff != "" {
				t.Errorf("selector of the pool (-want +have):\n%s", diff)
			}
		})
	}
}
