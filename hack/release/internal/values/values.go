// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package values writes the table of a chart's values, out of the comments in its values.yaml, into its README.
package values

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	begin = "<!-- values: written by make generate -->\n"
	end   = "<!-- end of values -->\n"
)

// Value is one row.
type Value struct {
	// Path is the key with those above it, such as image.tag.
	Path string
	// Default is JSON.
	Default string
	// Text is the comment above the key, on one line.
	Text string
}

// Write puts the table into README.md of the chart, values of its subcharts included.
func Write(chart string) error {
	all, err := Of(filepath.Join(chart, "values.yaml"), "")
	if err != nil {
		return err
	}
	subcharts, err := filepath.Glob(filepath.Join(chart, "charts", "*", "values.yaml"))
	if err != nil {
		return err
	}
	for _, file := range subcharts {
		more, err := Of(file, filepath.Base(filepath.Dir(file))+".")
		if err != nil {
			return err
		}
		all = append(all, more...)
	}
	readme := filepath.Join(chart, "README.md")
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(text), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s lacks the lines %q and %q", readme, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(readme, []byte(head+begin+"\n"+table(all)+"\n"+end+tail), 0o644)
}

// Of returns the values of a file, each path with a prefix. A value without a comment is an error.
func Of(file, prefix string) ([]Value, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s is not a mapping", file)
	}
	all, err := walk(document.Content[0], prefix)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return all, nil
}

func walk(mapping *yaml.Node, prefix string) ([]Value, error) {
	var all []Value
	var missing []error
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		path := prefix + key.Value
		if isSection(value) {
			more, err := walk(value, path+".")
			if err != nil {
				missing = append(missing, err)
			}
			all = append(all, more...)
			continue
		}
		text := comment(key)
		if text == "" {
			missing = append(missing, fmt.Errorf("line %d: %s has no comment", key.Line, path))
		}
		standard, err := literal(value)
		if err != nil {
			return nil, err
		}
		all = append(all, Value{Path: path, Default: standard, Text: text})
	}
	return all, errors.Join(missing...)
}

// isSection says that the comments are on the keys below.
func isSection(node *yaml.Node) bool {
	if node.Kind != yaml.MappingNode || len(node.Content) == 0 {
		return false
	}
	return node.Content[0].HeadComment != "" || isSection(node.Content[1])
}

func comment(key *yaml.Node) string {
	// A blank line ends what is about the key before.
	parts := strings.Split(key.HeadComment, "\n\n")
	var words []string
	for line := range strings.SplitSeq(parts[len(parts)-1], "\n") {
		words = append(words, strings.TrimSpace(strings.TrimPrefix(line, "#")))
	}
	return strings.Join(words, " ")
}

func literal(node *yaml.Node) (string, error) {
	var value any
	if err := node.Decode(&value); err != nil {
		return "", err
	}
	raw, err := json.Marshal(value)
	return string(raw), err
}

func table(all []Value) string {
	var b strings.Builder
	b.WriteString("| Value | Default | Meaning |\n|---|---|---|\n")
	for _, v := range all {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", v.Path, v.Default, strings.ReplaceAll(v.Text, "|", `\|`))
	}
	return b.String()
}
