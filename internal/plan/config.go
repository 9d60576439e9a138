// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
)

// configKey is KAITO's key in the ConfigMap; messages begin with it, as compilers begin with the file.
const configKey = "inference_config.yaml"

// kaitoTemplates is where KAITO's own image keeps chat templates. vLLM's image has no such directory and would not
// start; the preset's template serves the same purpose.
const kaitoTemplates = "/workspace/chat_templates/"

// mostMistakes bounds the message, and the work that a large text can cause.
const mostMistakes = 10

// setting is one argument of the user's configuration.
type setting struct {
	argument argument
	value    string
	line     int
	// elements are what goes on the command line.
	elements []string
}

func (s setting) errorf(format string, args ...any) error {
	return lineError(s.line, s.argument.name, fmt.Sprintf(format, args...))
}

// settings are the user's arguments by name, sorted. At most one has a given name.
type settings []setting

func (s settings) get(name string) (setting, bool) {
	at := slices.IndexFunc(s, func(one setting) bool { return one.argument.name == name })
	if at < 0 {
		return setting{}, false
	}
	return s[at], true
}

// parseConfig reads KAITO's inference_config.yaml: arguments of vLLM under the key vllm. max_probe_steps and
// kv_cache_cpu_memory_utilization belong to KAITO's own server and have no effect here. All mistakes are reported
// together, each with its line and key.
func parseConfig(text string) (settings, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return nil, invalidConfig(fmt.Errorf("%s: %s", configKey, oneLine(strings.TrimPrefix(err.Error(), "yaml: "))))
	}
	if document.Kind == 0 || isNull(document.Content[0]) {
		return nil, nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, invalidConfig(fmt.Errorf("%s:%d: want a map with the key vllm", configKey, root.Line))
	}
	var all settings
	var mistakes []error
	lines := map[string]int{}
	for i := 0; i < len(root.Content) && len(mistakes) < mostMistakes; i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if first, twice := lines[key.Value]; twice {
			mistakes = append(mistakes, lineError(key.Line, key.Value, alreadySet(first)))
			continue
		}
		lines[key.Value] = key.Line
		switch key.Value {
		case "max_probe_steps", "kv_cache_cpu_memory_utilization":
		case "vllm":
			found, errs := parseSettings(value)
			all, mistakes = append(all, found...), append(mistakes, errs...)
		default:
			mistakes = append(mistakes, lineError(key.Line, key.Value, "is not known here: write vLLM's arguments under vllm"))
		}
	}
	if len(mistakes) == 0 {
		mistakes = contradictions(all)
	}
	if len(mistakes) > 0 {
		return nil, invalidConfig(mistakes...)
	}
	slices.SortFunc(all, func(a, b setting) int { return strings.Compare(a.argument.name, b.argument.name) })
	return all, nil
}

func parseSettings(node *yaml.Node) (settings, []error) {
	if isNull(node) {
		return nil, nil
	}
	if node.Kind != yaml.MappingNode {
		return nil, []error{lineError(node.Line, "vllm", "want a map from arguments to values")}
	}
	var all settings
	var mistakes []error
	lines := map[string]int{}
	for i := 0; i < len(node.Content) && len(mistakes) < mostMistakes; i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := strings.ReplaceAll(key.Value, "_", "-")
		if first, twice := lines[name]; twice {
			mistakes = append(mistakes, lineError(key.Line, key.Value, alreadySet(first)))
			continue
		}
		lines[name] = key.Line
		if removedArgument(name) {
			continue
		}
		one, err := parseSetting(name, value)
		one.line = key.Line
		if err != nil {
			mistakes = append(mistakes, lineError(key.Line, key.Value, err.Error()))
			continue
		}
		if !one.ignored() {
			all = append(all, one)
		}
	}
	return all, mistakes
}

func parseSetting(name string, value *yaml.Node) (setting, error) {
	if why, owned := ownedArgument(name); owned {
		return setting{}, fmt.Errorf("may not be set: %s", why)
	}
	known, ok := argumentOf(name)
	if !ok {
		if near := nearestArgument(name); near != "" {
			return setting{}, fmt.Errorf("is not an argument of vLLM; did you mean %s?", near)
		}
		return setting{}, errors.New("is not an argument of vLLM")
	}
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	if value.Kind != yaml.ScalarNode {
		return setting{}, errors.New("want a single value: write lists and maps as one JSON string")
	}
	if isNull(value) && known.kind != kindBool && known.kind != kindFlag {
		return setting{}, errors.New("has no value")
	}
	text := value.Value
	if isNull(value) {
		text = ""
	}
	elements, err := known.render(text)
	return setting{argument: known, value: text, elements: elements}, err
}

// ignored says that the setting means nothing here: a template of KAITO's image, or a context length left to the plan.
func (s setting) ignored() bool {
	switch s.argument.name {
	case "chat-template":
		return strings.HasPrefix(s.value, kaitoTemplates)
	case "max-model-len":
		return isAuto(s.value)
	default:
		return false
	}
}

// contradictions are settings that vLLM accepts one by one and refuses together.
func contradictions(all settings) []error {
	both := func(a, b string) []error {
		one, first := all.get(a)
		_, second := all.get(b)
		if first && second {
			return []error{one.errorf("is another name of %s: write only one of them", b)}
		}
		return nil
	}
	return both("device-memory-utilization", "gpu-memory-utilization")
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

func alreadySet(line int) string { return fmt.Sprintf("is already set in line %d", line) }

func lineError(line int, key, message string) error {
	return fmt.Errorf("%s:%d: key %s: %s", configKey, line, quoted(key), message)
}

// quoted shows what the user wrote, so that it stays one line and short.
func quoted(text string) string {
	const most = 60
	if cut := []rune(oneLine(text)); len(cut) > most {
		return string(cut[:most]) + "…"
	}
	return oneLine(text)
}

// invalidConfig makes one line of all mistakes.
func invalidConfig(mistakes ...error) error {
	texts := make([]string, 0, len(mistakes))
	for _, mistake := range mistakes {
		texts = append(texts, mistake.Error())
	}
	return &outcome.Terminal{Reason: v1beta1.ReasonInvalidInferenceConfig, Err: errors.New(strings.Join(texts, "; "))}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
