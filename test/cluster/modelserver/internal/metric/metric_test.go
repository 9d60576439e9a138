// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package metric

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/engine"
)

func scrape(m *Metrics, load engine.Load) string {
	w := httptest.NewRecorder()
	m.Handler(func() engine.Load { return load }).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var lines []string
	for line := range strings.Lines(w.Body.String()) {
		if !strings.HasPrefix(line, "# HELP") && !strings.Contains(line, "_bucket{") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func TestNamesLabelsAndTypes(t *testing.T) {
	t.Parallel()
	m := New(Info{
		Model: "phi", BlockSize: 16, Blocks: 64, CacheType: "auto", GPUUtilization: "0.9", PrefixCaching: true, LoRA: true, MaxLoRA: 2,
	})
	m.Finished(engine.Outcome{
		Reason: engine.TooLong, PromptTokens: 8, GeneratedTokens: 5, Queue: time.Second, FirstToken: 2 * time.Second, Total: 4 * time.Second,
	})
	m.Finished(engine.Outcome{Reason: engine.Aborted, PromptTokens: 8, Total: time.Second})
	got := scrape(m, engine.Load{
		Waiting: 3, Running: 2, CacheUse: 0.25,
		Totals:   engine.Totals{PromptTokens: 10, GeneratedTokens: 20, Preemptions: 1, PrefixQueries: 10, PrefixHits: 4},
		Adapters: engine.Adapters{Running: "a,b", Waiting: "c", Changed: time.Unix(1700000000, 500000000)},
	})
	want, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestFixedValuesHideTheLoad(t *testing.T) {
	t.Parallel()
	got := scrape(New(Info{Model: "phi", FixedWaiting: new(20), FixedKV: new(0.9)}), engine.Load{Waiting: 1, CacheUse: 0.1})
	for _, want := range []string{
		`vllm:num_requests_waiting{engine="0",model_name="phi"} 20`, `vllm:kv_cache_usage_perc{engine="0",model_name="phi"} 0.9`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(got, "lora_requests_info") {
		t.Error("adapters are shown although LoRA is off")
	}
}
