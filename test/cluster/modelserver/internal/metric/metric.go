// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package metric shows the load of an engine as vLLM does: the same names, labels and types, so that Endpoint Pickers,
// autoscalers and dashboards read the stand-in as they read vLLM.
package metric

import (
	"maps"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/engine"
)

// Info is what does not change while the server runs.
type Info struct {
	Model          string // first served name
	BlockSize      int
	Blocks         int
	CacheType      string
	GPUUtilization string
	PrefixCaching  bool
	LoRA           bool
	MaxLoRA        int

	FixedWaiting *int     // shown instead of the real number
	FixedKV      *float64 // shown instead of the real share
}

// Metrics counts finished requests and shows the load.
type Metrics struct {
	info     Info
	registry *prometheus.Registry

	finished   *prometheus.CounterVec
	queued     prometheus.Histogram
	firstToken prometheus.Histogram
	perToken   prometheus.Histogram
	latency    prometheus.Histogram
	prompt     prometheus.Histogram
	generated  prometheus.Histogram
}

// New returns metrics that show no load yet.
func New(info Info) *Metrics {
	m := &Metrics{info: info, registry: prometheus.NewRegistry()}
	m.finished = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vllm:request_success_total", Help: "Count of successfully processed requests.", ConstLabels: m.labels(),
	}, []string{"finished_reason"})
	m.registry.MustRegister(m.finished)
	for _, reason := range []engine.Reason{engine.Stopped, engine.TooLong, engine.Aborted} {
		m.finished.WithLabelValues(string(reason))
	}
	seconds := []float64{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160}
	tokens := []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000}
	m.queued = m.histogram("request_queue_time_seconds", "Time a request waited.", seconds)
	m.firstToken = m.histogram("time_to_first_token_seconds", "Time until the first token of a request.", seconds)
	m.perToken = m.histogram("request_time_per_output_token_seconds", "Mean time between two tokens of a request.", seconds)
	m.latency = m.histogram("e2e_request_latency_seconds", "Time from a request's arrival to its end.", seconds)
	m.prompt = m.histogram("request_prompt_tokens", "Tokens of a request's prompt.", tokens)
	m.generated = m.histogram("request_generation_tokens", "Tokens of a request's answer.", tokens)
	return m
}

func (m *Metrics) labels() prometheus.Labels {
	return prometheus.Labels{"model_name": m.info.Model, "engine": "0"}
}

func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "vllm:" + name, Help: help, ConstLabels: m.labels(), Buckets: buckets,
	})
	m.registry.MustRegister(h)
	return h
}

// Finished counts a request that has ended.
func (m *Metrics) Finished(o engine.Outcome) {
	m.finished.WithLabelValues(string(o.Reason)).Inc()
	m.latency.Observe(o.Total.Seconds())
	m.prompt.Observe(float64(o.PromptTokens))
	m.generated.Observe(float64(o.GeneratedTokens))
	if o.GeneratedTokens > 0 {
		m.queued.Observe(o.Queue.Seconds())
		m.firstToken.Observe(o.FirstToken.Seconds())
	}
	if o.GeneratedTokens > 1 {
		m.perToken.Observe((o.Total - o.FirstToken).Seconds() / float64(o.GeneratedTokens-1))
	}
}

// Handler serves the metrics together with the load that is there at the moment of each request.
func (m *Metrics) Handler(load func() engine.Load) http.Handler {
	m.registry.MustRegister(collector{metrics: m, load: load})
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// collector turns a load into metrics.
type collector struct {
	metrics *Metrics
	load    func() engine.Load
}

// Describe sends nothing: the labels of lora_requests_info change, so the collector is an unchecked one.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the load.
func (c collector) Collect(to chan<- prometheus.Metric) {
	info, load := c.metrics.info, c.load()
	send := func(kind prometheus.ValueType, name, help string, value float64, more prometheus.Labels) {
		labels := c.metrics.labels()
		maps.Copy(labels, more)
		to <- prometheus.MustNewConstMetric(prometheus.NewDesc("vllm:"+name, help, nil, labels), kind, value)
	}
	waiting, use := float64(load.Waiting), load.CacheUse
	if info.FixedWaiting != nil {
		waiting = float64(*info.FixedWaiting)
	}
	if info.FixedKV != nil {
		use = *info.FixedKV
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	send(gauge, "num_requests_running", "Number of requests in model execution batches.", float64(load.Running), nil)
	send(gauge, "num_requests_waiting", "Number of requests waiting to be processed.", waiting, nil)
	send(gauge, "kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", use, nil)
	send(counter, "prompt_tokens_total", "Number of prefill tokens processed.", float64(load.Totals.PromptTokens), nil)
	send(counter, "generation_tokens_total", "Number of generation tokens processed.", float64(load.Totals.GeneratedTokens), nil)
	send(counter, "num_preemptions_total", "Number of preemptions.", float64(load.Totals.Preemptions), nil)
	send(counter, "prefix_cache_queries_total", "Prefix cache queries, in tokens.", float64(load.Totals.PrefixQueries), nil)
	send(counter, "prefix_cache_hits_total", "Prefix cache hits, in tokens.", float64(load.Totals.PrefixHits), nil)
	send(gauge, "cache_config_info", "Information of the KV cache.", 1, prometheus.Labels{
		"block_size": strconv.Itoa(info.BlockSize), "num_gpu_blocks": strconv.Itoa(info.Blocks),
		"cache_dtype": info.CacheType, "gpu_memory_utilization": info.GPUUtilization,
		"enable_prefix_caching": strconv.FormatBool(info.PrefixCaching),
	})
	if !info.LoRA {
		return
	}
	changed := 0.0
	if !load.Adapters.Changed.IsZero() {
		changed = float64(load.Adapters.Changed.UnixNano()) / 1e9
	}
	send(gauge, "lora_requests_info", "Running stats on LoRA requests.", changed, prometheus.Labels{
		"max_lora": strconv.Itoa(info.MaxLoRA), "running_lora_adapters": load.Adapters.Running,
		"waiting_lora_adapters": load.Adapters.Waiting,
	})
}
