// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDeadModel(t *testing.T) {
	t.Parallel()
	h, _ := model(t, func(c *Config) { c.Healthy = func() error { return errors.New("rank 1 of 2 is lost") } })
	for _, path := range []string{"GET /health", "GET /ping", "POST /v1/completions"} {
		method, path, _ := strings.Cut(path, " ")
		if w := call(h, method, path, `{"prompt":"x"}`); w.Code != 503 {
			t.Errorf("%s: %d, want 503", path, w.Code)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	h, _ := model(t, func(c *Config) { c.APIKeys = []string{"a", "b"} })
	for header, want := range map[string]int{"": 401, "Bearer c": 401, "b": 401, "Bearer b": 200} {
		if w := call(h, "GET", "/v1/models", "", "Authorization", header); w.Code != want {
			t.Errorf("with %q: %d, want %d", header, w.Code, want)
		}
	}
	if w := call(h, "GET", "/health", ""); w.Code != 200 {
		t.Errorf("health needs no key, got %d", w.Code)
	}
}

func names(t *testing.T, h http.Handler) []string {
	t.Helper()
	var all []string
	for _, card := range object(t, call(h, "GET", "/v1/models", "").Body)["data"].([]any) {
		c := card.(map[string]any)
		parent, _ := c["parent"].(string)
		all = append(all, c["id"].(string)+"/"+c["root"].(string)+"/"+parent)
	}
	return all
}

func TestModelsAndAdapters(t *testing.T) {
	t.Parallel()
	h, _ := model(t, unchanged)
	base := []string{"phi/org/phi/", "phi-alias/org/phi/"}
	if diff := cmp.Diff(append(base, "lora/org/lora/phi"), names(t, h)); diff != "" {
		t.Errorf("models (-want +got):\n%s", diff)
	}
	path := filepath.Join(t.TempDir(), "adapter")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if w := call(h, "POST", "/v1/load_lora_adapter", `{"lora_name":"new","lora_path":"`+path+`"}`); w.Code != 200 {
		t.Errorf("loading: %d %s", w.Code, w.Body)
	}
	if w := call(h, "POST", "/v1/completions", `{"model":"new","prompt":"x"}`); w.Code != 200 {
		t.Errorf("asking the new adapter: %d %s", w.Code, w.Body)
	}
	if w := call(h, "POST", "/v1/unload_lora_adapter", `{"lora_name":"lora"}`); w.Code != 200 {
		t.Errorf("unloading: %d %s", w.Code, w.Body)
	}
	if diff := cmp.Diff(append(base, "new/"+path+"/phi"), names(t, h)); diff != "" {
		t.Errorf("models after loading and unloading (-want +got):\n%s", diff)
	}
	fixed, _ := model(t, func(c *Config) { c.RuntimeLoRA = false })
	if w := call(fixed, "POST", "/v1/load_lora_adapter", `{"lora_name":"x","lora_path":"org/x"}`); w.Code != 404 {
		t.Errorf("loading without permission: %d, want 404", w.Code)
	}
}

func TestTokenize(t *testing.T) {
	t.Parallel()
	h, _ := model(t, unchanged)
	got := object(t, call(h, "POST", "/tokenize", `{"model":"phi","prompt":"hello"}`).Body)
	want := map[string]any{"count": 2.0, "max_model_len": 1000.0, "tokens": []any{18998912360.0, 4294967407.0}, "token_strs": nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
	back := object(t, call(h, "POST", "/detokenize", `{"tokens":[18998912360,4294967407]}`).Body)
	if diff := cmp.Diff(map[string]any{"prompt": "hello"}, back); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if v := object(t, call(h, "GET", "/version", "").Body); v["stand_in"] != true {
		t.Errorf("version %v does not say that this is a stand-in", v)
	}
}
