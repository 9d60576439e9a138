// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argument

import "slices"

func parallel() []option {
	return slices.Concat(
		options(positive, "pipeline-parallel-size,-pp", "tensor-parallel-size,-tp", "decode-context-parallel-size,-dcp",
			"prefill-context-parallel-size,-pcp", "data-parallel-size,-dp", "nnodes,-n",
			"dcp-kv-cache-interleave-size", "cp-kv-cache-interleave-size", "max-parallel-loading-workers",
			"distributed-timeout-seconds"),
		options(natural, "node-rank,-r", "data-parallel-rank,-dpn", "data-parallel-start-rank,-dpr",
			"data-parallel-size-local,-dpl", "ubatch-size", "dbo-decode-token-threshold",
			"dbo-prefill-token-threshold"),
		options(port, "master-port", "data-parallel-rpc-port,-dpp"),
		options(text, "master-addr", "data-parallel-address,-dpa", "all2all-backend", "worker-cls",
			"worker-extension-cls", "dcp-comm-backend"),
		options(object, "eplb-config"),
		options(toggle, "data-parallel-hybrid-lb,-dph", "data-parallel-external-lb,-dpe",
			"enable-expert-parallel,-ep", "enable-dbo", "enable-elastic-ep", "enable-eplb",
			"disable-nccl-for-dp-synchronization", "ray-workers-use-nsight", "disable-custom-all-reduce",
			"numa-bind"),
		[]option{
			oneOf("distributed-executor-backend", "external_launcher", "mp", "ray", "uni"),
			oneOf("data-parallel-backend,-dpb", "mp", "ray"),
			oneOf("expert-placement-strategy", "linear", "round_robin"),
		})
}

func cache() []option {
	return slices.Concat(
		options(fraction, "gpu-memory-utilization"),
		options(size, "kv-cache-memory-bytes"),
		options(amount, "swap-space", "cpu-offload-gb", "kv-offloading-size"),
		options(positive, "num-gpu-blocks-override", "mamba-block-size"),
		options(natural, "offload-group-size", "offload-num-in-group", "offload-prefetch-step"),
		options(list, "cpu-offload-params", "offload-params"),
		options(toggle, "enable-prefix-caching", "calculate-kv-scales", "kv-sharing-fast-prefill"),
		[]option{
			oneOf("block-size", "1", "8", "16", "32", "64", "128", "256"),
			oneOf("kv-cache-dtype", "auto", "bfloat16", "float16", "fp8", "fp8_ds_mla", "fp8_e4m3", "fp8_e5m2", "fp8_inc",
				"nvfp4"),
			oneOf("prefix-caching-hash-algo", "sha256", "sha256_cbor", "xxhash", "xxhash_cbor"),
			oneOf("mamba-cache-dtype", "auto", "float16", "float32"),
			oneOf("mamba-ssm-cache-dtype", "auto", "float16", "float32"),
			oneOf("mamba-cache-mode", "align", "all", "none"),
			oneOf("kv-offloading-backend", "lmcache", "native"),
			oneOf("offload-backend", "auto", "prefetch", "uva"),
		})
}

func multimodal() []option {
	return slices.Concat(
		options(object, "limit-mm-per-prompt", "media-io-kwargs", "mm-processor-kwargs"),
		options(amount, "mm-processor-cache-gb", "video-pruning-rate"),
		options(positive, "mm-shm-cache-max-object-size-mb"),
		options(text, "mm-encoder-attn-backend"),
		options(toggle, "enable-mm-embeds", "language-model-only", "mm-encoder-only", "interleave-mm-strings",
			"skip-mm-profiling"),
		[]option{
			oneOf("mm-processor-cache-type", "lru", "shm"),
			oneOf("mm-encoder-tp-mode", "data", "weights"),
		})
}

func observability() []option {
	return slices.Concat(
		options(text, "show-hidden-metrics-for-version", "otlp-traces-endpoint"),
		options(list, "collect-detailed-traces"),
		options(fraction, "kv-cache-metrics-sample"),
		options(toggle, "kv-cache-metrics", "cudagraph-metrics", "enable-layerwise-nvtx-tracing", "enable-mfu-metrics",
			"enable-logging-iteration-details"))
}

func scheduler() []option {
	return slices.Concat(
		options(size, "max-num-batched-tokens"),
		options(positive, "max-num-seqs", "max-num-partial-prefills", "max-long-partial-prefills", "stream-interval"),
		options(natural, "long-prefill-token-threshold"),
		options(text, "scheduler-cls"),
		options(toggle, "enable-chunked-prefill", "disable-chunked-mm-input", "disable-hybrid-kv-cache-manager",
			"async-scheduling"),
		[]option{oneOf("scheduling-policy", "fcfs", "priority")})
}

func compilation() []option {
	return slices.Concat(
		options(list, "cudagraph-capture-sizes"),
		options(natural, "max-cudagraph-capture-size"),
		options(text, "moe-backend", "linear-backend"),
		options(toggle, "enable-flashinfer-autotune"),
		options(object, "speculative-config", "kv-transfer-config", "kv-events-config", "ec-transfer-config",
			"compilation-config,-cc", "attention-config,-ac", "kernel-config", "additional-config", "profiler-config",
			"weight-transfer-config"),
		[]option{
			oneOf("optimization-level,-O", "0", "1", "2", "3"),
			oneOf("performance-mode", "balanced", "interactivity", "throughput"),
		})
}

// toolParsers lists the tool call parsers that vLLM ships.
func toolParsers() []string {
	return []string{
		"deepseek_v3", "deepseek_v31", "deepseek_v32", "deepseek_v4", "ernie45", "functiongemma", "gemma4",
		"gigachat3", "glm45", "glm47", "granite", "granite-20b-fc", "granite4", "hermes", "hunyuan_a13b", "internlm",
		"jamba", "kimi_k2", "llama3_json", "llama4_json", "llama4_pythonic", "longcat", "minimax", "minimax_m2",
		"mistral", "olmo3", "openai", "phi4_mini_json", "pythonic", "qwen3_coder", "qwen3_xml", "seed_oss", "step3",
		"step3p5", "xlam",
	}
}

// reasoningParsers lists the reasoning parsers that vLLM ships.
func reasoningParsers() []string {
	return []string{
		"deepseek_r1", "deepseek_v3", "deepseek_v4", "ernie45", "gemma4", "glm45", "granite", "holo2",
		"hunyuan_a13b", "kimi_k2", "minimax_m2", "minimax_m2_append_think", "mistral", "nemotron_v3", "olmo3",
		"openai_gptoss", "qwen3", "seed_oss", "step3", "step3p5",
	}
}
