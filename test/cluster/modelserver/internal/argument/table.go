// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argument

import "slices"

// known returns every argument that the stand-in accepts: those of vLLM 0.12 to 0.30, and of older ones only
// --swap-space and --disable-log-requests, which still stand in many manifests. Names that vLLM has dropped for good
// (--num-scheduler-steps, --max-seq-len-to-capture, --guided-decoding-backend, …) are left out on purpose.
func known() []option {
	return slices.Concat(frontend(), model(), loading(), parallel(), cache(), multimodal(), lora(), observability(),
		scheduler(), compilation())
}

func frontend() []option {
	return slices.Concat(
		options(text, "host", "uds", "chat-template", "response-role", "ssl-keyfile", "ssl-certfile", "ssl-ca-certs",
			"ssl-ciphers", "root-path", "tool-call-parser", "tool-parser-plugin", "tool-server", "log-config-file",
			"config"),
		options(port, "port"),
		options(natural, "ssl-cert-reqs", "max-log-len", "shutdown-timeout"),
		options(positive, "api-server-count,-asc", "h11-max-incomplete-event-size", "h11-max-header-count"),
		options(list, "api-key", "lora-modules"),
		options(repeated, "middleware"),
		options(object, "allowed-origins", "allowed-methods", "allowed-headers", "default-chat-template-kwargs"),
		options(flag, "headless", "grpc", "disable-log-stats", "aggregate-engine-logging", "disable-log-requests"),
		options(toggle, "disable-uvicorn-access-log", "allow-credentials", "trust-request-chat-template",
			"enable-ssl-refresh", "return-tokens-as-token-ids", "disable-frontend-multiprocessing",
			"enable-request-id-headers", "enable-auto-tool-choice", "exclude-tools-when-tool-choice-none",
			"disable-fastapi-docs", "enable-prompt-tokens-details", "enable-server-load-tracking",
			"enable-force-include-usage", "enable-tokenizer-info-endpoint", "enable-log-requests",
			"enable-log-outputs", "enable-log-deltas", "log-error-stack", "tokens-only", "enable-offline-docs",
			"fail-on-environ-validation", "enable-scale-out"),
		options(text, "disable-access-log-for-endpoints"),
		[]option{
			oneOf("uvicorn-log-level", "critical", "debug", "error", "info", "trace", "warning"),
			oneOf("chat-template-content-format", "auto", "openai", "string"),
		})
}

func model() []option {
	return slices.Concat(
		options(text, "model", "tokenizer", "hf-config-path", "allowed-local-media-path", "revision", "code-revision",
			"tokenizer-revision", "generation-config", "override-attention-dtype", "io-processor-plugin",
			"reasoning-parser", "reasoning-parser-plugin", "attention-backend"),
		options(integer, "seed", "max-logprobs"),
		options(length, "max-model-len"),
		options(list, "served-model-name", "allowed-media-domains", "logits-processors"),
		options(optional, "hf-token"),
		options(object, "hf-overrides", "pooler-config", "override-generation-config", "structured-outputs-config"),
		options(toggle, "trust-remote-code", "enforce-eager", "disable-sliding-window", "disable-cascade-attn",
			"skip-tokenizer-init", "enable-prompt-embeds", "enable-sleep-mode", "allow-deprecated-quantization",
			"enable-return-routed-experts"),
		[]option{
			oneOf("dtype", "auto", "bfloat16", "float", "float16", "float32", "half"),
			oneOf("runner", "auto", "draft", "generate", "pooling"),
			oneOf("convert", "auto", "classify", "embed", "none", "reward"),
			oneOf("tokenizer-mode", "auto", "custom", "deepseek_v32", "deepseek_v4", "grok2", "hf", "mistral", "slow"),
			oneOf("config-format", "auto", "hf", "mistral"),
			oneOf("logprobs-mode", "processed_logits", "processed_logprobs", "raw_logits", "raw_logprobs"),
			oneOf("model-impl", "auto", "terratorch", "transformers", "vllm"),
			oneOf("quantization,-q", quantizations()...),
		})
}

func loading() []option {
	return slices.Concat(
		options(text, "download-dir", "pt-load-map-location"),
		options(list, "ignore-patterns"),
		options(object, "model-loader-extra-config"),
		options(toggle, "use-tqdm-on-load"),
		[]option{
			oneOf("load-format", "auto", "bitsandbytes", "dummy", "fastsafetensors", "gguf", "instanttensor", "mistral",
				"npcache", "pt", "runai_streamer", "runai_streamer_sharded", "safetensors", "sharded_state",
				"tensorizer"),
			oneOf("safetensors-load-strategy", "eager", "lazy", "prefetch", "torchao"),
		})
}

func lora() []option {
	return slices.Concat(
		options(positive, "max-loras", "max-cpu-loras"),
		options(toggle, "enable-lora", "fully-sharded-loras", "enable-tower-connector-lora", "specialize-active-lora"),
		options(object, "default-mm-loras"),
		[]option{
			oneOf("max-lora-rank", "1", "8", "16", "32", "64", "128", "256", "320", "512"),
			oneOf("lora-dtype", "auto", "bfloat16", "float16"),
		})
}

func quantizations() []string {
	return []string{
		"auto-round", "awq", "awq_marlin", "bitblas", "bitsandbytes", "compressed-tensors", "cpu_awq",
		"deepspeedfp", "experts_int8", "fbgemm_fp8", "fp8", "fp_quant", "gguf", "gptq", "gptq_bitblas", "gptq_marlin",
		"gptq_marlin_24", "hqq", "inc", "ipex", "modelopt", "modelopt_fp4", "modelopt_mixed", "modelopt_mxfp8",
		"moe_wna16", "mxfp4", "mxfp8", "petit_nvfp4", "ptpc_fp8", "quark", "rtn", "torchao", "tpu_int8",
	}
}
