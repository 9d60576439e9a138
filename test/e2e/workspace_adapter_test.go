// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/onsi/gomega"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

const (
	adapterImage = "docker.io/example/support-tickets:1.2.0"
	mistral      = "mistral-7b-instruct"
)

func withAdapter(strength *string) func(*v1beta1.Workspace) {
	return func(ws *v1beta1.Workspace) {
		ws.Inference.Preset.Name = mistral
		ws.Inference.Adapters = []v1beta1.AdapterSpec{{
			Source: &v1beta1.DataSource{Name: "support-tickets", Image: adapterImage}, Strength: strength,
		}}
	}
}

// loadAdapter pushes an image with an adapter's files where KAITO's adapter images have them.
func loadAdapter(t *testing.T) {
	t.Helper()
	if !shared.loads() {
		t.Skipf("images cannot be pushed to the registry of this cluster, and %s is needed", adapterImage)
	}
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"adapter_config.json": `{"peft_type": "LORA", "r": 16, "lora_alpha": 32, "target_modules": ["q_proj", "v_proj"]}`,
		// A length of zero and no tensors.
		"adapter_model.safetensors": "\x02\x00\x00\x00\x00\x00\x00\x00{}",
	} {
		if err := os.WriteFile(filepath.Join(data, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := output(exec.CommandContext(t.Context(), program("cluster"), "load", "--tier", "node", "--image", adapterImage, "--files", dir)); err != nil {
		t.Fatal(err)
	}
}

// testAdapters: an adapter out of an image is mounted and answers under its own name.
func testAdapters(t *testing.T) {
	loadAdapter(t)
	s := newScene(t, shared, nil)
	s.workspace("mistral", withAdapter(nil))
	ws := s.ready("mistral")
	s.Expect(ws.Status.Models).To(gomega.Equal([]string{mistral, "support-tickets"}))
	s.Expect(s.models("mistral")).To(gomega.ConsistOf(mistral, "support-tickets"))
	s.chat("mistral", mistral)
	s.chat("mistral", "support-tickets")
}

// testAdapterNotServable: a strength that vLLM would ignore is refused instead, and nothing is made.
func testAdapterNotServable(t *testing.T) {
	s := newScene(t, shared, nil)
	before := s.empty()
	s.workspace("mistral", withAdapter(new("0.5")))
	s.expect("mistral", "Ready=False AdapterNotServable: strength 0.5", "Stalled=True AdapterNotServable: full strength", "!Reconciling")
	s.Expect(s.inventory()).To(gomega.ConsistOf(append(before, "workspaces/mistral")))
}
