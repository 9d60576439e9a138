// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"slices"
	"testing"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// TestInferenceConfig: the ConfigMap is missing, comes, is wrong, is corrected, and is changed.
func TestInferenceConfig(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.node("a", 2)
	s.workspace("phi", func(ws *v1beta1.Workspace) { ws.Inference.Config = "settings" })
	s.expect("phi", "Ready=False ConfigNotFound: inference.config names ConfigMap settings", "Reconciling=True ConfigNotFound", "!Stalled")
	s.Expect(s.written()).To(gomega.BeEmpty())

	s.step("without the key")
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "settings"}}
	s.create(config)
	s.expect("phi", "Ready=False ConfigNotFound: ConfigMap settings has no key inference_config.yaml")

	s.step("with an argument that vLLM has not")
	write := func(text string) {
		s.edit(config, func() { config.Data = map[string]string{"inference_config.yaml": text} })
	}
	write("vllm:\n  max-num-seqs: 8\n  max-model-lem: 1024\n")
	s.expect("phi", "Stalled=True InvalidInferenceConfig: inference_config.yaml:3: key max-model-lem: is not an argument of vLLM; did you mean max-model-len?",
		"Ready=False InvalidInferenceConfig", "!Reconciling")
	s.Expect(s.written()).To(gomega.BeEmpty())

	s.step("corrected")
	write("vllm:\n  max-num-seqs: 8\n  max-model-len: 1024\n")
	s.expect("phi", "!Stalled", "InferenceReady=False LoadingModel")
	s.ready("phi")
	first := s.podTemplate("phi")
	s.Expect(first.Spec.Containers[0].Args).To(gomega.ContainElements("--max-num-seqs=8", "--max-model-len=1024"))

	s.step("broken later: what serves goes on")
	write("vllm: [")
	s.expect("phi", "Stalled=True InvalidInferenceConfig", "InferenceReady=True ReplicasReady", "InferencePoolReady=True PoolReady")
	s.Expect(s.podTemplate("phi")).To(gomega.Equal(first))

	s.step("changed")
	write("vllm:\n  max-num-seqs: 16\n  max-model-len: 1024\n")
	s.until(func() error {
		if slices.Contains(s.podTemplate("phi").Spec.Containers[0].Args, "--max-num-seqs=16") {
			return nil
		}
		return errors.New("the pods are not rolled")
	})
	second := s.podTemplate("phi")
	s.Expect(second.Annotations[v1beta1.AnnotationConfigHash]).NotTo(gomega.BeEmpty())
	s.Expect(second.Annotations[v1beta1.AnnotationConfigHash]).NotTo(gomega.Equal(first.Annotations[v1beta1.AnnotationConfigHash]))
	s.expect("phi", "Ready=False RolloutInProgress")
	s.serve("phi")
	s.expect("phi", "Ready=True Ready")
}

func (s *scene) podTemplate(deployment string) corev1.PodTemplateSpec {
	s.t.Helper()
	d := &appsv1.Deployment{}
	s.Expect(s.get(d, deployment)).To(gomega.BeTrue())
	return d.Spec.Template
}

// TestPresetConfigMap: a model that nobody knows, until somebody adds it while the operator runs.
func TestPresetConfigMap(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.workspace("tiny", func(ws *v1beta1.Workspace) { ws.Inference.Preset.Name = "tiny-" + s.namespace })
	s.expect("tiny", "Stalled=True UnknownPreset: tiny-"+s.namespace, "Ready=False UnknownPreset", "!Reconciling")
	s.step("the preset is added")
	presets := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: operatorNamespace, Name: s.namespace, Labels: map[string]string{v1beta1.LabelPreset: "true"},
		},
		Data: map[string]string{"tiny.yaml": "presets:\n- name: tiny-" + s.namespace + `
  model: example/tiny
  weightsSize: 1Gi
  kvBytesPerToken: 196608
  attention: {layers: 24, heads: 32, kvHeads: 32, headDim: 64}
  maxContextLength: 8192
  dtype: bfloat16
  source: config.json of example/tiny
`},
	}
	s.create(presets)
	s.t.Cleanup(func() { _ = s.Delete(s.cleanup(), presets) })
	s.expect("tiny", "!Stalled", "InferenceReady=False LoadingModel")
	s.Expect(s.podTemplate("tiny").Spec.Containers[0].Args).To(gomega.ContainElement("example/tiny"))
}

// TestGatedModel: a model behind a licence needs a token.
func TestGatedModel(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	ws := s.workspace("llama", func(ws *v1beta1.Workspace) { ws.Inference.Preset.Name = "llama-3.1-8b-instruct" })
	s.expect("llama", "Stalled=True SecretNotFound: is gated")
	s.step("it is named")
	s.edit(ws, func() { ws.Inference.Preset.PresetOptions.ModelAccessSecret = "hf-token" })
	s.expect("llama", "!Stalled", "InferenceReady=False LoadingModel")
}

// TestTooLarge: a model that no number of GPUs of this kind holds.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	ws := s.workspace("falcon", func(ws *v1beta1.Workspace) { ws.Inference.Preset.Name = "falcon-40b" })
	s.expect("falcon", "Stalled=True ModelDoesNotFit: falcon-40b does not fit "+a100)
	s.step("larger nodes")
	s.edit(ws, func() { ws.Resource.InstanceType = "Standard_NC48ads_A100_v4" })
	s.expect("falcon", "!Stalled", "InferenceReady=False LoadingModel")
}
