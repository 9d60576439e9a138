// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/engine"
	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/metric"
)

// model returns a running model with one slot, and the ends of its requests.
func model(t *testing.T, change func(*Config)) (http.Handler, <-chan engine.Outcome) {
	t.Helper()
	ended := make(chan engine.Outcome, 100)
	metrics := metric.New(metric.Info{Model: "phi", BlockSize: 16, Blocks: 64, CacheType: "auto", GPUUtilization: "0.9", LoRA: true, MaxLoRA: 1})
	simulation := engine.New(engine.Config{
		Slots: 1, Blocks: 64, BlockSize: 16, Adapters: 1, TokenLatency: time.Millisecond,
		Finished: func(o engine.Outcome) { metrics.Finished(o); ended <- o },
	})
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	go simulation.Run(ctx)
	c := Config{
		Served: []string{"phi", "phi-alias"}, Root: "org/phi", MaxModelLen: 1000, ResponseRole: "assistant", Hostname: "pod-0",
		LoRA: true, RuntimeLoRA: true, Access: slog.New(slog.DiscardHandler), Engine: simulation,
		Metrics: metrics.Handler(simulation.Load), Healthy: func() error { return nil },
	}
	change(&c)
	return Handler(c, []Adapter{{Name: "lora", Path: "org/lora"}}), ended
}

func unchanged(*Config) {}

func call(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// object returns a body as JSON without what differs from run to run.
func object(t *testing.T, body io.Reader) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.NewDecoder(body).Decode(&o); err != nil {
		t.Fatal(err)
	}
	delete(o, "created")
	return o
}

const forever = `"ignore_eos":true,"max_tokens":900`

func TestChat(t *testing.T) {
	t.Parallel()
	h, _ := model(t, unchanged)
	w := call(h, "POST", "/v1/chat/completions",
		`{"model":"phi-alias","messages":[{"role":"user","content":[{"type":"text","text":"hello"}]}],"max_tokens":3}`,
		"X-Request-Id", "id-1")
	got := object(t, w.Body)
	content := got["choices"].([]any)[0].(map[string]any)["message"].(map[string]any)["content"].(string)
	if len(strings.Fields(content)) != 3 {
		t.Errorf("want three words, got %q", content)
	}
	want := map[string]any{
		"id": "chatcmpl-id-1", "object": "chat.completion", "model": "phi-alias", "system_fingerprint": "stand-in",
		"choices": []any{map[string]any{
			"index": 0.0, "finish_reason": "length", "logprobs": nil, "stop_reason": nil,
			"message": map[string]any{"role": "assistant", "content": content, "tool_calls": []any{}},
		}},
		"usage": map[string]any{"prompt_tokens": 3.0, "completion_tokens": 3.0, "total_tokens": 6.0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"pod-0", "model-server"}, []string{w.Header().Get("x-served-by"), w.Header().Get("x-stand-in")}); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestCompletions(t *testing.T) {
	t.Parallel()
	h, _ := model(t, unchanged)
	text := func(body string) []string {
		got := object(t, call(h, "POST", "/v1/completions", body).Body)
		choices, ok := got["choices"].([]any)
		if !ok {
			t.Fatalf("no choices in %v", got)
		}
		var all []string
		for _, c := range choices {
			all = append(all, c.(map[string]any)["text"].(string))
		}
		return all
	}
	once := text(`{"model":"phi","prompt":"hello"}`)
	if len(once) != 1 || len(strings.Fields(once[0])) != 16 {
		t.Errorf("want one answer of 16 words, got %q", once)
	}
	same := map[string][]string{
		"again":           text(`{"model":"phi","prompt":"hello"}`),
		"without a model": text(`{"prompt":"hello"}`),
		"in a list":       text(`{"prompt":["hello"]}`),
		"as tokens":       text(`{"prompt":[18998912360,4294967407]}`),
		"with an echo":    {strings.TrimPrefix(text(`{"prompt":"hello","echo":true}`)[0], "hello")},
	}
	for name, got := range same {
		if diff := cmp.Diff(once, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	many := text(`{"prompt":["hello","world"],"n":2}`)
	if len(many) != 4 || many[0] != once[0] || many[0] == many[1] || many[0] == many[2] {
		t.Errorf("want two different answers to each of two prompts, got %q", many)
	}
	second := strings.Fields(once[0])[1]
	stopped := object(t, call(h, "POST", "/v1/completions", `{"prompt":"hello","stop":["nowhere"," `+second+`"]}`).Body)
	choice := stopped["choices"].([]any)[0].(map[string]any)
	if diff := cmp.Diff([]any{" " + strings.Fields(once[0])[0], "stop", " " + second}, []any{choice["text"], choice["finish_reason"], choice["stop_reason"]}); diff != "" {
		t.Errorf("text, finish_reason and stop_reason of a stopped answer (-want +got):\n%s", diff)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	h, _ := model(t, unchanged)
	long := strings.Repeat("word", 1000)
	cases := map[string]struct {
		path, body string
		status     int
		says       string
	}{
		"unknown model":      {"/v1/chat/completions", `{"model":"gpt","messages":[{"role":"user","content":"x"}]}`, 404, "The model `gpt` does not exist."},
		"bad JSON":           {"/v1/completions", `{"model":`, 400, "not valid"},
		"wrong type":         {"/v1/completions", `{"model":"phi","prompt":"x","max_tokens":"9"}`, 400, "max_tokens"},
		"no prompt":          {"/v1/completions", `{"model":"phi"}`, 400, "prompt must be"},
		"no messages":        {"/v1/chat/completions", `{"model":"phi"}`, 400, "at least one message"},
		"no role":            {"/v1/chat/completions", `{"model":"phi","messages":[{"content":"x"}]}`, 400, "needs a role"},
		"prompt too long":    {"/v1/completions", `{"prompt":"` + long + `"}`, 400, "maximum context length is 1000 tokens"},
		"too many tokens":    {"/v1/completions", `{"prompt":"x","max_tokens":1000}`, 400, "too large: 1000"},
		"both limits":        {"/v1/completions", `{"prompt":"x","max_tokens":1,"max_completion_tokens":1000}`, 400, "too large: 1000"},
		"no tokens":          {"/v1/completions", `{"prompt":"x","max_tokens":0}`, 400, "at least 1"},
		"no answers":         {"/v1/completions", `{"prompt":"x","n":0}`, 400, "n must be"},
		"too many at least":  {"/v1/completions", `{"prompt":"x","min_tokens":20}`, 400, "min_tokens"},
		"foreign tokens":     {"/v1/completions", `{"prompt":[1,2]}`, 400, "not a token"},
		"tools without":      {"/v1/chat/completions", `{"messages":[{"role":"user","content":"x"}],"tools":[{}]}`, 400, "--enable-auto-tool-choice"},
		"unknown adapter":    {"/v1/unload_lora_adapter", `{"lora_name":"x"}`, 404, "cannot be found"},
		"adapter twice":      {"/v1/load_lora_adapter", `{"lora_name":"lora","lora_path":"org/lora"}`, 400, "already been loaded"},
		"adapter not there":  {"/v1/load_lora_adapter", `{"lora_name":"x","lora_path":"/no/such/path"}`, 404, "no adapter found"},
		"adapter named base": {"/v1/load_lora_adapter", `{"lora_name":"phi","lora_path":"org/x"}`, 400, "base model"},
		"unknown tokenizer":  {"/tokenize", `{"model":"gpt","prompt":"x"}`, 404, "does not exist"},
	}
	kinds := map[int]string{400: "BadRequestError", 404: "NotFoundError"}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := call(h, "POST", tc.path, tc.body)
			got, ok := object(t, w.Body)["error"].(map[string]any)
			if !ok || w.Code != tc.status || got["code"] != float64(tc.status) || got["type"] != kinds[tc.status] {
				t.Fatalf("status %d, error %v; want %d", w.Code, got, tc.status)
			}
			if message, _ := got["message"].(string); !strings.Contains(message, tc.says) {
				t.Errorf("message %q does not say %q", message, tc.says)
			}
		})
	}
	if w := call(h, "POST", "/v1/completions", `{"prompt":"x"}`, paceHeader, "slow"); w.Code != 400 || !strings.Contains(w.Body.String(), paceHeader) {
		t.Errorf("unknown pace: %d %s", w.Code, w.Body)
	}
	if w := call(h, "GET", "/nowhere", ""); w.Code != 404 {
		t.Errorf("unknown path: %d", w.Code)
	}
}

// On real connections: an event arrives at once, although no other follows it for long, and a client that goes away
// ends its request.
func TestStreamIsFlushedAndEndsWithTheClient(t *testing.T) {
	t.Parallel()
	h, ended := model(t, unchanged)
	server := httptest.NewServer(h)
	defer server.Close()
	begin := func() io.Closer {
		answer, err := server.Client().Post(server.URL+"/v1/chat/completions", "application/json",
			strings.NewReader(`{"messages":[{"role":"user","content":"hello"}],"stream":true,`+forever+`}`))
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(answer.Body).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "data: {") {
			t.Fatalf("first line %q, %v", line, err)
		}
		return answer.Body
	}
	running := begin()
	waiting := begin() // there is one slot: nothing but the role comes before the other request ends
	if len(ended) > 0 {
		t.Fatal("the first event of the second request came only after the first request had ended")
	}
	for _, client := range []io.Closer{waiting, running} {
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		if o := <-ended; o.Reason != engine.Aborted || o.GeneratedTokens >= 900 {
			t.Errorf("outcome %+v, want an aborted request", o)
		}
	}
}
