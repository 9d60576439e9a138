// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argument

import (
	"strconv"
)

// Config is what the stand-in needs of a command line; the rest was only checked.
type Config struct {
	Model  string
	Served []string // names that answer, the first one labels the metrics

	Host            string
	Port            int
	Socket          string // a path; replaces host and port
	CertFile        string
	KeyFile         string
	APIKeys         []string
	AccessLog       bool
	ShutdownSeconds int // 0: as long as the running requests take
	ResponseRole    string
	AutoTools       bool // a tool call parser is set up
	ForceUsage      bool

	MaxModelLen    int
	MaxSeqs        int
	BlockSize      int
	Blocks         int // 0: not given
	PrefixCaching  bool
	GPUUtilization string
	CacheType      string

	TensorParallel   int
	PipelineParallel int
	Nodes            Nodes
	LoRA             LoRA
}

// Nodes is the place of this process in a model that spans several nodes.
type Nodes struct {
	Count      int
	Rank       int
	MasterAddr string
	MasterPort int
	Headless   bool
}

// LoRA is what the command line says about adapters.
type LoRA struct {
	Enabled bool
	Max     int // adapters that can run at the same time
	Modules []Adapter
}

// Adapter is one LoRA adapter.
type Adapter struct {
	Name string `json:"name"`
	Path string `json:"path"`
	Base string `json:"base_model_name,omitempty"`
}

// Defaults of vLLM, except for MaxModelLen: vLLM reads it from the model's config.json, which is not there.
const (
	defaultModel       = "Qwen/Qwen3-0.6B"
	defaultPort        = "8000"
	defaultMaxModelLen = 32768
	defaultMaxSeqs     = "256"
	defaultBlockSize   = "16"
	defaultMasterPort  = "29501"
)

// Parse reads the arguments after `vllm serve` and checks them. A *UsageError is what the parser refuses (exit code 2),
// ErrHelp asks for the usage, and any other error is a combination that vLLM refuses while it starts (exit code 1).
func Parse(args []string) (Config, error) {
	v, err := newParser(args).parse(args)
	if err != nil {
		return Config{}, err
	}
	adapters, err := v.adapters()
	if err != nil {
		return Config{}, err
	}
	c := Config{
		Model:  v.text("model", defaultModel),
		Served: v["served-model-name"],

		Host:            v.text("host", ""),
		Port:            v.number("port", defaultPort),
		Socket:          v.text("uds", ""),
		CertFile:        v.text("ssl-certfile", ""),
		KeyFile:         v.text("ssl-keyfile", ""),
		APIKeys:         v["api-key"],
		AccessLog:       !v.on("disable-uvicorn-access-log"),
		ShutdownSeconds: v.number("shutdown-timeout", "0"),
		ResponseRole:    v.text("response-role", "assistant"),
		AutoTools:       v.on("enable-auto-tool-choice"),
		ForceUsage:      v.on("enable-force-include-usage"),

		MaxModelLen:    v.length(),
		MaxSeqs:        v.number("max-num-seqs", defaultMaxSeqs),
		BlockSize:      v.number("block-size", defaultBlockSize),
		Blocks:         v.number("num-gpu-blocks-override", "0"),
		PrefixCaching:  v.text("enable-prefix-caching", "true") == "true",
		GPUUtilization: v.text("gpu-memory-utilization", "0.9"),
		CacheType:      v.text("kv-cache-dtype", "auto"),

		TensorParallel:   v.number("tensor-parallel-size", "1"),
		PipelineParallel: v.number("pipeline-parallel-size", "1"),
		Nodes: Nodes{
			Count:      v.number("nnodes", "1"),
			Rank:       v.number("node-rank", "0"),
			MasterAddr: v.text("master-addr", "127.0.0.1"),
			MasterPort: v.number("master-port", defaultMasterPort),
			Headless:   v.on("headless"),
		},
		LoRA: LoRA{Enabled: v.on("enable-lora"), Max: v.number("max-loras", "1"), Modules: adapters},
	}
	if len(c.Served) == 0 {
		c.Served = []string{c.Model}
	}
	return c, v.refuse(c)
}

func (v values) text(key, otherwise string) string {
	if given := v[key]; len(given) > 0 {
		return given[0]
	}
	return otherwise
}

func (v values) on(key string) bool { return v.text(key, "false") == "true" }

// number returns a value that the parser has checked to be a number.
func (v values) number(key, otherwise string) int {
	n, _ := strconv.Atoi(v.text(key, otherwise))
	return n
}

func (v values) length() int {
	if n, ok := parseSize(v.text("max-model-len", "")); ok {
		return n
	}
	return defaultMaxModelLen
}
