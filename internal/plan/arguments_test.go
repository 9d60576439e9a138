// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/preset"
)

func TestArgumentTable(t *testing.T) {
	t.Parallel()
	kinds := map[argumentKind]int{
		kindBool: 0, kindFlag: 0, kindInt: 0, kindFloat: 0, kindSize: 0, kindLength: 0, kindJSON: 0, kindEnum: 0, kindList: 0, kindString: 0,
	}
	last := ""
	for a := range arguments() {
		if _, known := kinds[a.kind]; !known {
			t.Errorf("%s has the unknown type %q", a.name, a.kind)
		}
		kinds[a.kind]++
		if a.name <= last {
			t.Errorf("%s follows %s: not sorted, or twice", a.name, last)
		}
		if (a.kind == kindEnum) != (len(a.values) > 0) {
			t.Errorf("%s: type %s with values %v", a.name, a.kind, a.values)
		}
		if removedArgument(a.name) {
			t.Errorf("%s is both known and removed", a.name)
		}
		last = a.name
	}
	for kind, count := range kinds {
		if count == 0 {
			t.Errorf("no argument of type %s: the table is not read as a whole", kind)
		}
	}
}

// TestPresetArguments: vLLM must know each argument of the catalogue and take its value.
func TestPresetArguments(t *testing.T) {
	t.Parallel()
	catalogue, err := preset.Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range catalogue.Names() {
		p, err := catalogue.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, flag := range p.Flags() {
			known, ok := argumentOf(flag.Name)
			if !ok {
				t.Errorf("%s: vLLM does not know --%s", name, flag.Name)
				continue
			}
			if _, err := known.render(flag.Value); err != nil {
				t.Errorf("%s: --%s: %v", name, flag.Name, err)
			}
		}
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		want        []string
		wrong       bool
	}{
		{name: "enable-prefix-caching", value: "true", want: []string{"--enable-prefix-caching"}},
		{name: "enable-prefix-caching", value: "True", want: []string{"--enable-prefix-caching"}},
		{name: "enable-prefix-caching", value: "", want: []string{"--enable-prefix-caching"}},
		{name: "enable-prefix-caching", value: "false", want: []string{"--no-enable-prefix-caching"}},
		{name: "enable-prefix-caching", value: "1", wrong: true},
		{name: "aggregate-engine-logging", value: "false"},
		{name: "max-num-seqs", value: "-1", want: []string{"--max-num-seqs=-1"}},
		{name: "max-num-seqs", value: "1.5", wrong: true},
		{name: "max-num-seqs", value: "99999999999999999999", wrong: true},
		{name: "cpu-offload-gb", value: "1.5", want: []string{"--cpu-offload-gb=1.5"}},
		{name: "cpu-offload-gb", value: "nan", wrong: true},
		{name: "max-model-len", value: "25.6k", want: []string{"--max-model-len=25.6k"}},
		{name: "max-model-len", value: "25.6K", wrong: true},
		{name: "max-model-len", value: "k", wrong: true},
		{name: "max-model-len", value: "1kk", wrong: true},
		{name: "dtype", value: "float16", want: []string{"--dtype=float16"}},
		{name: "dtype", value: "int8", wrong: true},
		{name: "chat-template", value: "--port=1 {{ a }}\n$(HF_TOKEN); rm", want: []string{"--chat-template=--port=1 {{ a }}\n$(HF_TOKEN); rm"}},
		{name: "chat-template", value: "a\x00b", wrong: true},
		{name: "hf-overrides", value: "", wrong: true},
	} {
		known, ok := argumentOf(c.name)
		if !ok {
			t.Errorf("%s is not known", c.name)
			continue
		}
		got, err := known.render(c.value)
		if (err != nil) != c.wrong {
			t.Errorf("%s %q: error %v, want one: %t", c.name, c.value, err, c.wrong)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", c.name, c.value, diff)
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"0": 0, "16384": 16384, "16k": 16000, "16K": 16384, "1.5m": 1500000, "2G": 2 << 30, "1t": 1e12} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "k", "1e3k", "-1k", "0x10k", "1_000k", "9999999999999t", "1 k"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", text, got)
		}
	}
}

// TestManyMistakes: the message stays short, whatever is written.
func TestManyMistakes(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("vllm:\n")
	for i := range 20000 {
		fmt.Fprintf(&text, "  unknown-%d: 1\n", i)
	}
	text.WriteString("  " + strings.Repeat("x", 100000) + ": 1\n")
	_, err := parseConfig(text.String())
	if err == nil || len(err.Error()) > 2000 {
		t.Errorf("message of %d bytes", len(fmt.Sprint(err)))
	}
}

// FuzzParseConfig: whatever users write, they get arguments that cannot be taken for others, or one line of reasons.
func FuzzParseConfig(f *testing.F) {
	for _, seed := range []string{
		"", "vllm:", "vllm: {}", "vllm:\n  max-model-len: 16k\n", "a: &a {b: *a}", "vllm: &v\n  dtype: *v\n", "vllm:\n  <<: {port: 1}\n",
		"vllm:\n  ? [a]\n  : b\n", "vllm:\n  \"a\\nb\": 1\n", "---\n---\n", "vllm:\n  dtype: &d float16\n  seed: *d\n", "\t", "!!binary x: y",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseConfig(text)
		if err != nil {
			terminal, ok := errors.AsType[*outcome.Terminal](err)
			if !ok || terminal.Reason != v1beta1.ReasonInvalidInferenceConfig || strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("error %#v", err)
			}
		}
		for _, one := range all {
			checkSetting(t, one)
		}
	})
}

func checkSetting(t *testing.T, one setting) {
	t.Helper()
	if _, owned := ownedArgument(one.argument.name); owned {
		t.Errorf("%s passed", one.argument.name)
	}
	for _, element := range one.elements {
		name, _, _ := strings.Cut(element, "=")
		if name != "--"+one.argument.name && name != "--no-"+one.argument.name {
			t.Errorf("%s became %q", one.argument.name, element)
		}
	}
}
