// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parts returns the events of a stream, without the fields that are the same in all.
func parts(t *testing.T, body string) []any {
	t.Helper()
	var all []any
	for line := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			t.Fatalf("%q is no event", line)
		}
		var part map[string]any
		if err := json.Unmarshal([]byte(data), &part); err != nil {
			all = append(all, data)
			continue
		}
		for _, c := range part["choices"].([]any) {
			delete(c.(map[string]any), "logprobs")
		}
		all = append(all, map[string]any{"choices": part["choices"], "usage": part["usage"]})
	}
	return all
}

func TestStreamOrder(t *testing.T) {
	t.Parallel()
	h, _ := model(t, unchanged)
	whole := object(t, call(h, "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"hello"}],"max_tokens":2}`).Body)
	text := whole["choices"].([]any)[0].(map[string]any)["message"].(map[string]any)["content"].(string)
	w := call(h, "POST", "/v1/chat/completions",
		`{"messages":[{"role":"user","content":"hello"}],"max_tokens":2,"stream":true,"stream_options":{"include_usage":true}}`)
	choice := func(delta map[string]any, reason any) any {
		return map[string]any{"usage": nil, "choices": []any{
			map[string]any{"index": 0.0, "delta": delta, "finish_reason": reason, "stop_reason": nil},
		}}
	}
	want := []any{
		choice(map[string]any{"role": "assistant", "content": ""}, nil),
		choice(map[string]any{"content": text[:4]}, nil),
		choice(map[string]any{"content": text[4:]}, nil),
		choice(map[string]any{"content": ""}, "length"),
		map[string]any{"choices": []any{}, "usage": map[string]any{"prompt_tokens": 3.0, "completion_tokens": 2.0, "total_tokens": 5.0}},
		"[DONE]",
	}
	if diff := cmp.Diff(want, parts(t, w.Body.String())); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/event-stream") {
		t.Errorf("content type %q", got)
	}
}

// Streamed and whole answers must be the same text, also where stop texts make the stream hold text back.
func TestStreamIsTheWholeAnswer(t *testing.T) {
	t.Parallel()
	h, _ := model(t, unchanged)
	full := call(h, "POST", "/v1/completions", `{"prompt":"hello","max_tokens":12}`)
	words := strings.Fields(object(t, full.Body)["choices"].([]any)[0].(map[string]any)["text"].(string))
	stop, err := json.Marshal([]string{words[3][1:] + " " + words[4], words[8] + "x"})
	if err != nil {
		t.Fatal(err)
	}
	body := `{"prompt":"hello","max_tokens":12,"n":2,"stop":` + string(stop)
	whole := map[float64]string{}
	for _, c := range object(t, call(h, "POST", "/v1/completions", body+`}`).Body)["choices"].([]any) {
		whole[c.(map[string]any)["index"].(float64)] = c.(map[string]any)["text"].(string)
	}
	streamed := map[float64]string{}
	for _, p := range parts(t, call(h, "POST", "/v1/completions", body+`,"stream":true}`).Body.String()) {
		if o, ok := p.(map[string]any); ok {
			for _, c := range o["choices"].([]any) {
				streamed[c.(map[string]any)["index"].(float64)] += c.(map[string]any)["text"].(string)
			}
		}
	}
	if diff := cmp.Diff(whole, streamed); diff != "" {
		t.Errorf("texts by index (-whole +streamed):\n%s", diff)
	}
	if want := " " + strings.Join(words[:3], " ") + " " + words[3][:1]; whole[0] != want {
		t.Errorf("the stop text is not cut off: %q, want %q", whole[0], want)
	}
}

// sample returns the values of the metrics whose lines begin with one of the names.
func sample(h http.Handler, names ...string) []string {
	var found []string
	for line := range strings.SplitSeq(call(h, "GET", "/metrics", "").Body.String(), "\n") {
		for _, name := range names {
			if strings.HasPrefix(line, name) {
				found = append(found, line[strings.LastIndex(line, " ")+1:])
			}
		}
	}
	return found
}

// A client says how slowly it is answered.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := model(t, unchanged)
		started := time.Now()
		call(h, "POST", "/v1/completions", `{"prompt":"hello","max_tokens":5,"stream":true}`, paceHeader, "100ms")
		if took := time.Since(started); took != 401*time.Millisecond {
			t.Errorf("five tokens took %v, want 401 ms", took)
		}
	})
}

func TestMetricsUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := model(t, unchanged)
		load := func() []string {
			synctest.Wait()
			return sample(h, "vllm:kv_cache_usage_perc", "vllm:num_requests_running", "vllm:num_requests_waiting")
		}
		idle := load()
		ctx, leave := context.WithCancel(t.Context())
		for range 3 {
			go func() {
				r := httptest.NewRequest(http.MethodPost, "/v1/completions", strings.NewReader(`{"prompt":"hello","stream":true,`+forever+`}`))
				h.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
			}()
		}
		time.Sleep(100 * time.Millisecond) // of the bubble: 100 tokens
		busy := load()
		leave()
		gone := load()
		// 2 tokens of the prompt and 100 of the answer are 7 blocks of 64.
		want := [][]string{{"0", "0", "0"}, {"0.109375", "1", "2"}, {"0", "0", "0"}}
		if diff := cmp.Diff(want, [][]string{idle, busy, gone}); diff != "" {
			t.Errorf("cache use, running and waiting (-want +got):\n%s", diff)
		}
		got := sample(h, "vllm:generation_tokens_total", `vllm:request_success_total{engine="0",finished_reason="abort"`)
		if len(got) != 2 || got[1] != "3" {
			t.Errorf("generated tokens and aborted requests: %v", got)
		}
	})
}
