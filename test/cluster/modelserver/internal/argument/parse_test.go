// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argument

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func base(change func(*Config)) Config {
	c := Config{
		Model: "org/m", Served: []string{"org/m"}, Port: 8000, AccessLog: true, ResponseRole: "assistant",
		MaxModelLen: 32768, MaxSeqs: 256, BlockSize: 16, PrefixCaching: true, GPUUtilization: "0.9", CacheType: "auto",
		TensorParallel: 1, PipelineParallel: 1,
		Nodes: Nodes{Count: 1, MasterAddr: "127.0.0.1", MasterPort: 29501}, LoRA: LoRA{Max: 1},
	}
	change(&c)
	return c
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		args string
		want func(*Config)
	}{
		"positional model":     {"org/m", func(*Config) {}},
		"named model":          {"--model org/m", func(*Config) {}},
		"named model with =":   {"--model=org/m --port=5000", func(c *Config) { c.Port = 5000 }},
		"options before model": {"--port 5000 org/m", func(c *Config) { c.Port = 5000 }},
		"underscores":          {"org/m --max_model_len=4096", func(c *Config) { c.MaxModelLen = 4096 }},
		"decimal suffix":       {"org/m --max-model-len 16k", func(c *Config) { c.MaxModelLen = 16000 }},
		"fraction with suffix": {"org/m --max-model-len 25.6k", func(c *Config) { c.MaxModelLen = 25600 }},
		"binary suffix":        {"org/m --max-model-len 16K", func(c *Config) { c.MaxModelLen = 16384 }},
		"longest that fits":    {"org/m --max-model-len -1", func(*Config) {}},
		"several served names": {"org/m --served-model-name a b --port 1", func(c *Config) { c.Served = []string{"a", "b"}; c.Port = 1 }},
		"last one wins":        {"org/m --port 1 --port 2", func(c *Config) { c.Port = 2 }},
		"aliases":              {"org/m -tp 2 -pp=4", func(c *Config) { c.TensorParallel, c.PipelineParallel = 2, 4 }},
		"beginning of a name":  {"org/m --tensor-par 2", func(c *Config) { c.TensorParallel = 2 }},
		"negated toggle":       {"org/m --no-enable-prefix-caching", func(c *Config) { c.PrefixCaching = false }},
		"attached level":       {"org/m -O3", func(*Config) {}},
		"part of JSON":         {"org/m --compilation-config.mode 3", func(*Config) {}},
		"JSON":                 {`org/m --limit-mm-per-prompt {"image":2} --override-generation-config={"top_k":1}`, func(*Config) {}},
		"utilization":          {"org/m --gpu-memory-utilization 0.84", func(c *Config) { c.GPUUtilization = "0.84" }},
		"api keys":             {"org/m --api-key a b", func(c *Config) { c.APIKeys = []string{"a", "b"} }},
		"literal template":     {"org/m --chat-template {{messages}}", func(*Config) {}},
		"tools": {
			"org/m --enable-auto-tool-choice --tool-call-parser phi4_mini_json --reasoning-parser deepseek_r1",
			func(c *Config) { c.AutoTools = true },
		},
		"leader": {
			"org/m --nnodes 2 --node-rank 0 --master-addr ws-0.ws --master-port 29600 -tp 2",
			func(c *Config) {
				c.TensorParallel = 2
				c.Nodes = Nodes{Count: 2, MasterAddr: "ws-0.ws", MasterPort: 29600}
			},
		},
		"worker": {
			"org/m -n2 -r1 --headless -pp 2",
			func(c *Config) {
				c.PipelineParallel = 2
				c.Nodes = Nodes{Count: 2, Rank: 1, MasterAddr: "127.0.0.1", MasterPort: 29501, Headless: true}
			},
		},
		"adapters": {
			`org/m --enable-lora --max-loras 2 --lora-modules a=org/a {"name":"b","path":"org/b","base_model_name":"org/m"}`,
			func(c *Config) {
				c.LoRA = LoRA{Enabled: true, Max: 2, Modules: []Adapter{{Name: "a", Path: "org/a"}, {Name: "b", Path: "org/b", Base: "org/m"}}}
			},
		},
		"what the operator passes": {
			"org/m --served-model-name=p --port=5000 --max-model-len=131072 --dtype=float16" +
				" --tensor-parallel-size=1 --gpu-memory-utilization=0.84 --revision=abc --code-revision=abc" +
				" --tokenizer-revision=abc --download-dir=/w --swap-space=4 --cpu-offload-gb=0 --enable-chunked-prefill" +
				" --distributed-executor-backend=mp --trust-remote-code --load-format=auto --kv-cache-dtype=fp8 --seed=-1",
			func(c *Config) {
				c.Served, c.Port, c.MaxModelLen, c.GPUUtilization, c.CacheType = []string{"p"}, 5000, 131072, "0.84", "fp8"
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(strings.Fields(tc.args))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(base(tc.want), got); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusedByParser(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"org/m --foo":                          "unrecognized arguments: --foo",
		"org/m --foo=1 --bar x":                "unrecognized arguments: --foo=1 --bar x",
		"org/m --num-scheduler-steps 8":        "unrecognized arguments: --num-scheduler-steps 8",
		"org/m --max-seq-len-to-capture 8":     "unrecognized arguments: --max-seq-len-to-capture 8",
		"--model org/m other":                  "unrecognized arguments: other",
		"org/m --enable-chunked-prefill True":  "unrecognized arguments: True",
		"org/m --no-port 1":                    "unrecognized arguments: --no-port 1",
		"org/m --enable-lora=true":             "argument --enable-lora: ignored explicit argument 'true'",
		"org/m --port":                         "argument --port: expected one argument",
		"org/m --port --host x":                "argument --port: expected one argument",
		"org/m --served-model-name":            "argument --served-model-name: expected at least one argument",
		"org/m --port http":                    "argument --port: invalid int value: 'http'",
		"org/m --port 70000":                   "argument --port: value should be less than or equal to 65535: '70000'",
		"org/m -tp 0":                          "argument --tensor-parallel-size/-tp: value should be greater than or equal to 1: '0'",
		"org/m --max-model-len 16X":            "argument --max-model-len: invalid human_readable_int value: '16X'",
		"org/m --max-model-len 1.5K":           "argument --max-model-len: invalid human_readable_int value: '1.5K'",
		"org/m --max-model-len 0":              "argument --max-model-len: invalid human_readable_int value: '0'",
		"org/m --gpu-memory-utilization 84":    "argument --gpu-memory-utilization: value should be greater than 0 and at most 1: '84'",
		"org/m --gpu-memory-utilization x":     "argument --gpu-memory-utilization: invalid float value: 'x'",
		"org/m --swap-space -1":                "argument --swap-space: value should be greater than or equal to 0: '-1'",
		"org/m --dtype fp16":                   "argument --dtype: invalid choice: 'fp16' (choose from auto, bfloat16, float, float16, float32, half)",
		"org/m --hf-overrides {":               "argument --hf-overrides: Value { cannot be converted to json",
		"org/m --max-num":                      "ambiguous option: --max-num could match --max-num-batched-tokens, --max-num-partial-prefills, --max-num-seqs",
		"org/m --enable-lora --lora-modules {": "Invalid JSON format for --lora-modules: {",
		"org/m --lora-modules x":               "Invalid JSON format for --lora-modules: x",
		`org/m --lora-modules {"name":"b"}`:    "Invalid fields for --lora-modules: [{\"name\":\"b\"}] - name and path are required",
		`org/m --lora-modules {"nam":"b"}`:     "Invalid fields for --lora-modules: [{\"nam\":\"b\"}] - json: unknown field \"nam\"",
		"org/m -x":                             "unrecognized arguments: -x",
		"org/m -- --port":                      "unrecognized arguments: --port",
		"org/m --max-lora-rank 7":              "argument --max-lora-rank: invalid choice: '7' (choose from 1, 8, 16, 32, 64, 128, 256, 320, 512)",
	}
	for args, want := range cases {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(strings.Fields(args))
			usage, ok := errors.AsType[*UsageError](err)
			if !ok {
				t.Fatalf("want a usage error, got %v", err)
			}
			if diff := cmp.Diff("vllm serve: error: "+want, usage.Error()); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusedAtStart(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"--nnodes 2 --node-rank 2 --headless -tp 2":       "must be less than --nnodes 2",
		"--nnodes 2 --node-rank 1 -tp 2":                  "needs --headless",
		"--headless":                                      "nothing would serve",
		"--nnodes 3 -tp 4":                                "must be a multiple of --nnodes 3",
		"--enable-auto-tool-choice":                       "requires --tool-call-parser",
		"--tool-call-parser phi4":                         "invalid tool call parser: phi4",
		"--reasoning-parser deepseek":                     "invalid reasoning parser: deepseek",
		"--chat-template /no/such/template.jinja":         "cannot be read",
		"--lora-modules a=b":                              "needs --enable-lora",
		"--enable-lora --lora-modules a=/no/such/adapter": "no adapter found",
		"--config x.yaml":                                 "does not support --config",
		"-dp 2":                                           "does not support --data-parallel-size",
		"--enable-log-outputs":                            "requires --enable-log-requests",
	}
	for args, want := range cases {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(strings.Fields("org/m " + args))
			if _, usage := errors.AsType[*UsageError](err); err == nil || usage || !strings.Contains(err.Error(), want) {
				t.Errorf("want an error with %q that is not about usage, got %v", want, err)
			}
		})
	}
}

func TestLocalFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	template := filepath.Join(dir, "t.jinja")
	if err := os.WriteFile(template, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Parse([]string{"org/m", "--chat-template", template, "--enable-lora", "--lora-modules", "a=" + dir}); err != nil {
		t.Error(err)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	if _, err := Parse([]string{"--help"}); !errors.Is(err, ErrHelp) {
		t.Errorf("want ErrHelp, got %v", err)
	}
}

// Names that appear twice would hide each other.
func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, o := range known() {
		for _, name := range o.names {
			if seen[name] {
				t.Errorf("%s is in the table twice", name)
			}
			seen[name] = true
		}
	}
	if len(seen) < 200 {
		t.Errorf("only %d names: a part of the table is missing", len(seen))
	}
}
