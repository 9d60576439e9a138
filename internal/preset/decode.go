// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package preset

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is one mistake in a catalogue document.
type Problem struct {
	// File is the document's name: a file, or a key of a ConfigMap.
	File string
	// Line counts from 1; 0 if the mistake has no place.
	Line int
	// Preset is the name of the entry, if it has one.
	Preset string
	// Key is the path of the key inside the entry, such as attention.layers.
	Key string
	// Message says what is wrong and what to write instead.
	Message string
}

func (p *Problem) Error() string {
	place := p.File
	if p.Line > 0 {
		place = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	parts := []string{place, p.Preset, p.Key, p.Message}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ": ")
}

// entry is a decoded preset and where it was found.
type entry struct {
	Preset
	file string
	line int
}

// decode returns the entries of a document that are right, and a Problem for
// each mistake in the others.
func decode(file string, data []byte) ([]entry, []error) {
	root, err := parse(data)
	if err != nil {
		return nil, []error{&Problem{File: file, Message: err.Error()}}
	}
	list, err := presetList(file, root)
	if err != nil {
		return nil, []error{err}
	}
	var good []entry
	var problems []error
	for _, node := range list {
		d := decoder{file: file, line: node.Line, lines: map[string]int{}}
		p := d.preset(node)
		if len(d.problems) > 0 {
			problems = append(problems, d.problems...)
			continue
		}
		good = append(good, entry{Preset: p, file: file, line: node.Line})
	}
	return good, problems
}

// parse reads exactly one YAML document without aliases. Aliases would let a
// small ConfigMap grow without bound.
func parse(data []byte) (*yaml.Node, error) {
	var document, second yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&document); errors.Is(err, io.EOF) {
		return nil, errors.New("the document is empty: want presets, a list")
	} else if err != nil {
		return nil, err
	}
	if err := d.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("want a single YAML document")
	}
	if line := aliasLine(&document); line > 0 {
		return nil, fmt.Errorf("line %d: YAML anchors and aliases are not accepted here", line)
	}
	return document.Content[0], nil
}

func aliasLine(node *yaml.Node) int {
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		return node.Line
	}
	for _, child := range node.Content {
		if line := aliasLine(child); line > 0 {
			return line
		}
	}
	return 0
}

// presetList returns the items under the document's only key, presets.
func presetList(file string, root *yaml.Node) ([]*yaml.Node, error) {
	if root.Kind != yaml.MappingNode {
		return nil, &Problem{File: file, Line: root.Line, Message: "want presets, a list"}
	}
	var list []*yaml.Node
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		switch {
		case key.Value != "presets":
			return nil, &Problem{File: file, Line: key.Line, Key: key.Value, Message: "unknown key: want presets"}
		case value.Kind != yaml.SequenceNode:
			return nil, &Problem{File: file, Line: value.Line, Key: "presets", Message: "want a list"}
		case list != nil:
			return nil, &Problem{File: file, Line: key.Line, Key: "presets", Message: "is given twice"}
		}
		list = value.Content
	}
	if len(list) == 0 {
		return nil, &Problem{File: file, Line: root.Line, Key: "presets", Message: "want a list with at least one entry"}
	}
	return list, nil
}

// decoder collects every mistake of one entry.
type decoder struct {
	file     string
	line     int
	name     string
	lines    map[string]int
	problems []error
}

func (d *decoder) preset(node *yaml.Node) Preset {
	p := Preset{TensorParallel: true, SupportsLoRA: true, GPUs: 1, OverheadPerGPU: defaultOverhead}
	d.name = nameOf(node)
	d.mapping(node, reflect.ValueOf(&p).Elem(), "")
	if len(d.problems) > 0 {
		return p
	}
	p = p.withDefaults()
	for _, v := range p.violations() {
		d.report(cmp.Or(d.lines[v.key], d.line), v.key, v.message)
	}
	return p
}

func (d *decoder) report(line int, key, message string) {
	d.problems = append(d.problems, &Problem{File: d.file, Line: line, Preset: d.name, Key: key, Message: message})
}

// mapping decodes a YAML mapping into a struct, key by key, because the YAML
// library's own strict mode names lines but not keys.
func (d *decoder) mapping(node *yaml.Node, target reflect.Value, prefix string) {
	if node.Kind != yaml.MappingNode {
		d.report(node.Line, strings.TrimSuffix(prefix, "."), "want a map of keys")
		return
	}
	fields := yamlFields(target)
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		path := prefix + key.Value
		field, known := fields[key.Value]
		switch {
		case !known:
			d.report(key.Line, path, "unknown key"+didYouMean(nearest(key.Value, sortedKeys(fields))))
		case seen[key.Value]:
			d.report(key.Line, path, "is given twice")
		case value.ShortTag() == "!!null":
			d.report(value.Line, path, "has no value")
		default:
			d.lines[path] = value.Line
			d.value(value, field, path)
		}
		seen[key.Value] = true
	}
}

func (d *decoder) value(node *yaml.Node, field reflect.Value, path string) {
	if field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	if field.Kind() == reflect.Struct {
		d.mapping(node, field, path+".")
		return
	}
	if err := node.Decode(field.Addr().Interface()); err != nil {
		d.report(node.Line, path, decodeMessage(node, field, err))
	}
}

// decodeMessage says what was expected. The YAML library names Go types, which
// tell the writer of a ConfigMap nothing.
func decodeMessage(node *yaml.Node, field reflect.Value, err error) string {
	if _, ok := errors.AsType[*yaml.TypeError](err); !ok {
		return err.Error()
	}
	wanted := map[reflect.Kind]string{
		reflect.String: "a text", reflect.Bool: "true or false", reflect.Int: "a whole number",
		reflect.Int64: "a whole number", reflect.Float64: "a number", reflect.Slice: "a list of texts",
	}[field.Kind()]
	if node.Kind != yaml.ScalarNode {
		return "want " + wanted
	}
	return fmt.Sprintf("want %s, have %q", wanted, node.Value)
}

// yamlFields returns the settable fields of a struct by their YAML key.
func yamlFields(target reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for field, value := range target.Fields() {
		fields[field.Tag.Get("yaml")] = value
	}
	return fields
}

// nameOf returns the entry's name for messages, also if the entry is broken.
func nameOf(node *yaml.Node) string {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == "name" {
			return node.Content[i+1].Value
		}
	}
	return ""
}
