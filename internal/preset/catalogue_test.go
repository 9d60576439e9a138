// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package preset_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/preset"
)

// minimal is the shortest entry that a user can write.
const minimal = `presets:
  - name: my-model
    model: acme/My-Model
    weightsSize: 10Gi
    attention: {layers: 10, heads: 8, kvHeads: 4, headDim: 64}
    maxContextLength: 4096
`

func builtin(t testing.TB) preset.Catalogue {
	t.Helper()
	catalogue, err := preset.Default()
	if err != nil {
		t.Fatal(err)
	}
	return catalogue
}

func lookup(t testing.TB, catalogue preset.Catalogue, name string) preset.Preset {
	t.Helper()
	p, err := catalogue.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLookup(t *testing.T) {
	t.Parallel()
	catalogue, problems := builtin(t).With(map[string]string{
		"extra.yaml": strings.Replace(minimal, "    model:", "    aliases: [my-old-model]\n    model:", 1),
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	cases := map[string]string{
		"phi-4":                      "phi-4",
		"Phi-4":                      "phi-4",
		"DeepSeek-V3-0324":           "deepseek-v3-0324",
		"microsoft/Phi-4":            "phi-4",
		"my-old-model":               "my-model",
		"acme/my-model":              "my-model",
		"Qwen/Qwen3-30B-A3B":         "qwen3-30b-a3b",
		"openai/gpt-oss-20b":         "gpt-oss-20b",
		"mistralai/Mistral-7B-v0.3":  "mistral-7b",
		"google/gemma-3-27b-it":      "gemma-3-27b-it",
		"deepseek-ai/DeepSeek-V3.1":  "deepseek-v3.1",
		"meta-llama/Llama-3.2-3B-iN": "",
		"":                           "",
	}
	for name, want := range cases {
		got, err := catalogue.Lookup(name)
		if diff := cmp.Diff(want, got.Name); diff != "" {
			t.Errorf("Lookup(%q), want -, got +:\n%s", name, diff)
		}
		if want == "" && err == nil {
			t.Errorf("Lookup(%q) found something", name)
		}
	}
}

// TestSpellings: what leads to a preset, and by another's name to nothing but itself.
func TestSpellings(t *testing.T) {
	t.Parallel()
	entry := strings.Replace(minimal, "    model:", "    aliases: [my-old-model, mine]\n    model:", 1)
	catalogue, problems := builtin(t).With(map[string]string{
		"extra.yaml": entry + strings.ReplaceAll(strings.TrimPrefix(minimal, "presets:\n"), "my-model", "my-twin"),
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for name, want := range map[string][]string{
		"phi-4":           {"phi-4", "microsoft/phi-4"},
		"my-model":        {"my-model", "my-old-model", "mine"},
		"my-twin":         {"my-twin"},
		"mine":            {"mine"},
		"microsoft/phi-4": {"microsoft/phi-4"},
		"":                {""},
	} {
		if diff := cmp.Diff(want, catalogue.Spellings(name)); diff != "" {
			t.Errorf("Spellings(%q), want -, got +:\n%s", name, diff)
		}
	}
}

func TestLookupNamesNearest(t *testing.T) {
	t.Parallel()
	catalogue := builtin(t)
	cases := map[string]string{
		"phi-4-mini":           `preset "phi-4-mini" is not known; did you mean phi-4-mini-instruct, phi-3-mini-128k-instruct, phi-3-mini-4k-instruct?`,
		"falcon-7b-instuct":    `preset "falcon-7b-instuct" is not known; did you mean falcon-7b-instruct, falcon-40b-instruct?`,
		"Lama-3.1-8b-instruct": `preset "Lama-3.1-8b-instruct" is not known; did you mean llama-3.1-8b-instruct, llama-3.2-1b-instruct, llama-3.2-3b-instruct?`,
		"zzzzzzzzzz":           `preset "zzzzzzzzzz" is not known`,
	}
	for name, want := range cases {
		_, err := catalogue.Lookup(name)
		terminal, ok := errors.AsType[*outcome.Terminal](err)
		if !ok {
			t.Errorf("Lookup(%q): want an outcome.Terminal, have %T", name, err)
			continue
		}
		if terminal.Reason != v1beta1.ReasonUnknownPreset {
			t.Errorf("Lookup(%q): reason %s", name, terminal.Reason)
		}
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("Lookup(%q), want -, got +:\n%s", name, diff)
		}
	}
}

func TestWithReplacesAndAdds(t *testing.T) {
	t.Parallel()
	before := builtin(t)
	after, problems := before.With(map[string]string{
		"new.yaml":      minimal,
		"replaced.yaml": strings.Replace(minimal, "my-model", "phi-4", 1),
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff("acme/My-Model", lookup(t, after, "phi-4").Model); diff != "" {
		t.Errorf("replaced entry, want -, got +:\n%s", diff)
	}
	if diff := cmp.Diff("microsoft/phi-4", lookup(t, before, "phi-4").Model); diff != "" {
		t.Errorf("the catalogue before changed, want -, got +:\n%s", diff)
	}
	want := append(before.Names(), "my-model")
	slices.Sort(want)
	if diff := cmp.Diff(want, after.Names()); diff != "" {
		t.Errorf("names, want -, got +:\n%s", diff)
	}
}

func TestWithFillsDefaults(t *testing.T) {
	t.Parallel()
	catalogue, problems := preset.Catalogue{}.With(map[string]string{"a.yaml": minimal})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	const gib = 1 << 30
	want := preset.Preset{
		Name: "my-model", Model: "acme/My-Model", TokenSecret: preset.TokenRecommended,
		WeightsSize: 10 * gib, KVBytesPerToken: 2 * 10 * 4 * 64 * 2, MaxContextLength: 4096,
		Attention: preset.Attention{Layers: 10, Heads: 8, KVHeads: 4, HeadDim: 64},
		GPUs:      1, OverheadPerGPU: 23 * gib / 10, Disk: 80 * gib, LoadTimeout: preset.Duration(30 * 60 * 1e9),
		TensorParallel: true, SupportsLoRA: true,
	}
	if diff := cmp.Diff(want, lookup(t, catalogue, "my-model")); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

// A mistake costs its own entry only, and each error leads to the line and key.
func TestWithReportsProblems(t *testing.T) {
	t.Parallel()
	change := func(from, to string) string { return strings.Replace(minimal, from, to, 1) }
	cases := map[string]struct{ document, want string }{
		"not YAML":            {"presets: [", "f.yaml: yaml: line 1: did not find expected node content"},
		"empty":               {"", "f.yaml: the document is empty: want presets, a list"},
		"two documents":       {minimal + "---\n" + minimal, "f.yaml: want a single YAML document"},
		"a list":              {"- a", "f.yaml:1: want presets, a list"},
		"no list":             {"presets: {}", "f.yaml:1: presets: want a list"},
		"empty list":          {"presets: []", "f.yaml:1: presets: want a list with at least one entry"},
		"foreign key":         {"models: []", "f.yaml:1: models: unknown key: want presets"},
		"scalar entry":        {"presets: [phi-4]", "f.yaml:1: want a map of keys"},
		"alias":               {"presets: &a [*a]", "f.yaml: line 1: YAML anchors and aliases are not accepted here"},
		"anchor":              {"presets: &a []", "f.yaml: line 1: YAML anchors and aliases are not accepted here"},
		"unknown key":         {change("maxContextLength", "maxContextLenght"), "f.yaml:6: my-model: maxContextLenght: unknown key; did you mean maxContextLength?"},
		"unknown nested key":  {change("layers", "numLayers"), "f.yaml:5: my-model: attention.numLayers: unknown key"},
		"key twice":           {minimal + "    name: other\n", "f.yaml:7: my-model: name: is given twice"},
		"null":                {minimal + "    disk:\n", "f.yaml:7: my-model: disk: has no value"},
		"number as text":      {change("4096", "long"), `f.yaml:6: my-model: maxContextLength: want a whole number, have "long"`},
		"bool as text":        {minimal + "    gated: perhaps\n", `f.yaml:7: my-model: gated: want true or false, have "perhaps"`},
		"text as list":        {change("acme/My-Model", "[a]"), "f.yaml:3: my-model: model: want a text"},
		"bad size":            {change("10Gi", "10 GB"), `f.yaml:4: my-model: weightsSize: want a size such as 14.96Gi, have "10 GB"`},
		"bad duration":        {minimal + "    loadTimeout: 45\n", `f.yaml:7: my-model: loadTimeout: want a duration such as 45m, have "45"`},
		"missing key":         {change("    weightsSize: 10Gi\n", ""), "f.yaml:2: my-model: weightsSize: want the size of the weights, such as 14.96Gi"},
		"negative weights":    {change("10Gi", "-1Gi"), "f.yaml:4: my-model: weightsSize: want the size of the weights, such as 14.96Gi"},
		"bad name":            {change("name: my-model", "name: My_Model"), "f.yaml:2: My_Model: name: want lower-case letters, digits, '-' and '.', at most 63 characters"},
		"wrong KV":            {minimal + "    kvBytesPerToken: 1\n", "f.yaml:7: my-model: kvBytesPerToken: want 10240, which is what attention gives, have 1"},
		"uneven heads":        {change("kvHeads: 4", "kvHeads: 3"), "f.yaml:5: my-model: attention.kvHeads: want a divisor of attention.heads"},
		"no commit":           {minimal + "    revision: main\n", "f.yaml:7: my-model: revision: want a commit of 40 hexadecimal digits, or nothing"},
		"gated without token": {minimal + "    gated: true\n    tokenSecret: recommended\n", "f.yaml:8: my-model: tokenSecret: a gated model needs tokenSecret: required"},
		"owned argument":      {minimal + "    args: {port: 80}\n", "f.yaml:7: my-model: args: port is not accepted here: the operator works it out"},
		"argument with field": {minimal + "    args: {tool_call_parser: x}\n", `f.yaml:7: my-model: args: tool_call_parser is not accepted here: use the key toolCallParser`},
		"dashes":              {minimal + "    args: {--seed: 1}\n", `f.yaml:7: my-model: args: "--seed" is not an argument's name: write it without leading dashes`},
		"switch off":          {minimal + "    args: {enforce-eager: false}\n", "f.yaml:7: my-model: args: enforce-eager: write no-enforce-eager: true instead of false"},
		"argument list":       {minimal + "    args: {seed: [1]}\n", "f.yaml:7: my-model: args: seed: want a single value, or true for a bare flag"},
		"two lines":           {minimal + "    chatTemplate: \"a\\nb\"\n", "f.yaml:7: my-model: chatTemplate: want a path, or a template on one line"},
		"taken alias":         {minimal + "    aliases: [phi-4]\n", "f.yaml:2: my-model: aliases: phi-4 already means phi-4"},
	}
	catalogue := builtin(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := strings.ReplaceAll(minimal, "my-model", "good-model")
			after, problems := catalogue.With(map[string]string{"f.yaml": c.document, "good.yaml": good})
			var got []string
			for _, problem := range problems {
				got = append(got, problem.Error())
			}
			if !slices.Contains(got, c.want) {
				t.Errorf("want -, got +:\n%s", cmp.Diff([]string{c.want}, got))
			}
			lookup(t, after, "good-model")
			lookup(t, after, "phi-4")
		})
	}
}

func TestWithKeepsGoodEntriesOfABadDocument(t *testing.T) {
	t.Parallel()
	bad := strings.ReplaceAll(strings.TrimPrefix(minimal, "presets:\n"), "my-model", "bad-model")
	document := minimal + strings.Replace(bad, "4096", "0", 1)
	again := strings.Replace(minimal, "acme/My-Model", "acme/Second", 1)
	catalogue, problems := preset.Catalogue{}.With(map[string]string{"a.yaml": document, "b.yaml": again})
	want := []string{
		"a.yaml:11: bad-model: maxContextLength: want a positive number of tokens",
		"b.yaml:2: my-model: name: is already defined at a.yaml:2",
	}
	if diff := cmp.Diff(want, []string{problems[0].Error(), problems[1].Error()}); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"my-model"}, catalogue.Names()); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if diff := cmp.Diff("acme/My-Model", lookup(t, catalogue, "my-model").Model); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestLoadRefusesMistakes(t *testing.T) {
	t.Parallel()
	if _, err := preset.Load(fstest.MapFS{"a.yaml": {Data: []byte(minimal)}}); err != nil {
		t.Error(err)
	}
	_, err := preset.Load(fstest.MapFS{"a.yaml": {Data: []byte("presets: 1")}})
	if err == nil || !strings.Contains(err.Error(), "a.yaml:1: presets: want a list") {
		t.Errorf("have %v", err)
	}
}

// Whatever a ConfigMap holds, decoding ends without panic, and what it accepts
// keeps the promises that the plan relies on.
func FuzzWith(f *testing.F) {
	f.Add(minimal)
	f.Add(minimal + "    args: {a: true}\n")
	f.Add("presets: [{name: a, attention: {latent: {kvRank: 1}}}]")
	f.Add("presets: &a [*a]")
	f.Fuzz(func(t *testing.T, document string) {
		catalogue, _ := preset.Catalogue{}.With(map[string]string{"fuzz.yaml": document})
		for _, name := range catalogue.Names() {
			p := lookup(t, catalogue, name)
			if p.WeightsSize <= 0 || p.KVBytesPerToken <= 0 || p.MaxContextLength <= 0 || p.GPUs < 1 || p.Disk < p.WeightsSize {
				t.Errorf("accepted %+v", p)
			}
		}
	})
}
