// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package setting

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		env  map[string]string
		want Settings
	}{
		"nothing set": {nil, Settings{TokenLatency: 2 * time.Millisecond}},
		"empty is not set": {
			map[string]string{"MODEL_SERVER_FIXED_KV": "", "MODEL_SERVER_CRASH_AFTER": "", "MODEL_SERVER_TOKEN_LATENCY": ""},
			Settings{TokenLatency: 2 * time.Millisecond},
		},
		"all": {
			map[string]string{
				"MODEL_SERVER_LOAD_DELAY": "3s", "MODEL_SERVER_TOKEN_LATENCY": "0s", "MODEL_SERVER_PREFILL_LATENCY": "10us",
				"MODEL_SERVER_GPU_BLOCKS": "64", "MODEL_SERVER_FIXED_WAITING": "20", "MODEL_SERVER_FIXED_KV": "0.9",
				"MODEL_SERVER_CRASH_AFTER": "0s", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "VLLM_API_KEY": "k",
			},
			Settings{
				LoadDelay: 3 * time.Second, PrefillLatency: 10 * time.Microsecond, Blocks: new(64), FixedWaiting: new(20),
				FixedKV: new(0.9), CrashAfter: new(time.Duration(0)), RuntimeLoRA: true, APIKey: "k",
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Read(func(key string) string { return tc.env[key] })
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"MODEL_SERVER_LOAD_DELAY": "3", "MODEL_SERVER_TOKEN_LATENCY": "-1s", "MODEL_SERVER_GPU_BLOCKS": "0",
		"MODEL_SERVER_FIXED_WAITING": "x", "MODEL_SERVER_FIXED_KV": "NaN", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "maybe",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Read(func(key string) string {
				if key == name {
					return value
				}
				return ""
			})
			if err == nil || !strings.Contains(err.Error(), name+"=") {
				t.Errorf("want an error that names %s, got %v", name, err)
			}
		})
	}
}
