// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import "strings"

// ownedArgument says why users may not set an argument, and what to write instead.
func ownedArgument(name string) (string, bool) {
	if strings.HasPrefix(name, "ssl-") || name == "enable-ssl-refresh" {
		return "probes, Service and pool speak plain HTTP to the pod: put TLS on the Gateway", true
	}
	if strings.HasPrefix(name, "data-parallel-") || strings.HasPrefix(name, "dp-supervisor-") {
		return "write inference.replicas to serve the model more than once", true
	}
	const (
		model    = "it follows from inference.preset"
		port     = "Service, probes and pool expect port 5000 of the pod"
		topology = "the operator works it out from the model's size and the GPUs"
		adapters = "write inference.adapters"
	)
	why, owned := map[string]string{
		"model":                         model,
		"served-model-name":             model,
		"revision":                      model,
		"code-revision":                 model,
		"tokenizer-revision":            model,
		"host":                          port,
		"port":                          port,
		"uds":                           port,
		"root-path":                     port,
		"grpc":                          port,
		"grpc-port":                     port,
		"headless":                      topology,
		"nnodes":                        topology,
		"node-rank":                     topology,
		"master-addr":                   topology,
		"master-port":                   topology,
		"pipeline-parallel-size":        topology,
		"prefill-context-parallel-size": topology,
		"distributed-executor-backend":  topology,
		"device-ids":                    topology,
		"api-server-count":              topology,
		"enable-lora":                   adapters,
		"lora-modules":                  adapters,
		"download-dir":                  "weights go to the volume that the operator mounts",
		"config":                        "this ConfigMap takes its place",
		"api-key":                       "the Endpoint Picker could not read metrics: authenticate at the Gateway",
		"middleware":                    "it would run code that is not in the image",
		"hf-token":                      "a token does not belong into a ConfigMap: name its Secret in inference.preset.presetOptions.modelAccessSecret",
		"disable-log-stats":             "the Endpoint Picker routes by the metrics that it would switch off",
	}[name]
	return why, owned
}

// removedArgument says which arguments of older vLLM versions are accepted and left out, since manifests that KAITO
// published or that its users have must go on working.
func removedArgument(name string) bool {
	switch name {
	case
		// In KAITO's published example of a custom configuration.
		"swap-space", "max-seq-len-to-capture", "num-scheduler-steps",
		// Engine V0's scheduler and cache.
		"use-v2-block-manager", "num-lookahead-slots", "preemption-mode", "scheduler-delay-factor",
		"multi-step-stream-outputs", "disable-async-output-proc", "max-num-partial-prefills",
		"max-long-partial-prefills", "enable-chunked-context", "cpu-offload", "calculate-kv-scales",
		// Renamed or made the default without replacement.
		"disable-log-requests", "device", "worker-use-ray", "guided-decoding-backend",
		"guided-decoding-disable-fallback", "guided-decoding-disable-any-whitespace",
		"guided-decoding-disable-additional-properties", "enable-reasoning", "disable-mm-preprocessor-cache",
		"lora-extra-vocab-size":
		return true
	default:
		return false
	}
}
