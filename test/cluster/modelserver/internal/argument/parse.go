// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argument

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrHelp asks for the usage text instead of a server.
const ErrHelp = helpWanted("help")

type helpWanted string

func (h helpWanted) Error() string { return string(h) + " wanted" }

// Usage is the first line of every message about a wrong command line.
const Usage = "usage: vllm serve [model_tag] [options]"

// UsageError is a command line that vLLM's parser refuses; vLLM exits with code 2 then.
type UsageError struct{ Message string }

func (e *UsageError) Error() string { return "vllm serve: error: " + e.Message }

func usagef(format string, args ...any) error {
	return &UsageError{Message: fmt.Sprintf(format, args...)}
}

// values are the arguments given, by option key; the last one given wins, as with argparse.
type values map[string][]string

// parser turns arguments into values.
type parser struct {
	byName  map[string]option
	negated map[string]option // --no-x of a toggle
	// modelNamed: vLLM takes the value of --model for the positional, so that any positional is one too many.
	modelNamed bool

	given        values
	unrecognized []string
}

func newParser(args []string) *parser {
	p := &parser{byName: map[string]option{}, negated: map[string]option{}, given: values{}}
	for _, o := range known() {
		for _, name := range o.names {
			p.byName[name] = o
		}
		if o.kind == toggle {
			p.negated["--no-"+o.key()] = o
		}
	}
	p.modelNamed = slices.ContainsFunc(args, func(a string) bool { return a == "--model" || strings.HasPrefix(a, "--model=") })
	return p
}

// parse returns the values of a whole command line, or the error that argparse would print.
func (p *parser) parse(args []string) (values, error) {
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			for _, a := range args[1:] {
				p.positional(a)
			}
			break
		}
		if !isOption(arg) {
			p.positional(arg)
			args = args[1:]
			continue
		}
		used, err := p.option(arg, args[1:])
		if err != nil {
			return nil, err
		}
		args = args[1+used:]
	}
	if len(p.unrecognized) > 0 {
		return nil, usagef("unrecognized arguments: %s", strings.Join(p.unrecognized, " "))
	}
	return p.given, nil
}

func (p *parser) positional(arg string) {
	if _, has := p.given["model"]; has || p.modelNamed {
		p.unrecognized = append(p.unrecognized, arg)
		return
	}
	p.given["model"] = []string{arg}
}

// option reads one option and returns how many of the arguments after it belong to it.
func (p *parser) option(arg string, rest []string) (int, error) {
	name, inline, hasInline := strings.Cut(arg, "=")
	if strings.HasPrefix(name, "--") {
		name = strings.ReplaceAll(name, "_", "-")
	}
	if name == "-h" || name == "--help" {
		return 0, ErrHelp
	}
	m, err := p.match(name)
	if errors.Is(err, errUnknown) {
		p.unrecognized = append(p.unrecognized, arg)
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if m.attached != "" {
		inline, hasInline = m.attached, true
	}
	if !m.takesValue() {
		if hasInline {
			return 0, usagef("%s: ignored explicit argument '%s'", m.title(), inline)
		}
		p.given[m.key()] = []string{m.state}
		return 0, nil
	}
	if hasInline {
		return 0, p.set(m, []string{inline})
	}
	taken := m.want(rest)
	return len(taken), p.set(m, taken)
}

// want returns the arguments that belong to the option.
func (o option) want(rest []string) []string {
	most := 1
	if o.kind == list {
		most = len(rest)
	}
	n := 0
	for n < most && n < len(rest) && !isOption(rest[n]) {
		n++
	}
	return rest[:n]
}

func (p *parser) set(m matched, given []string) error {
	switch {
	case len(given) == 0 && m.kind == list:
		return usagef("%s: expected at least one argument", m.title())
	case len(given) == 0 && m.kind != optional:
		return usagef("%s: expected one argument", m.title())
	}
	if m.part {
		return nil
	}
	for _, v := range given {
		if err := m.check(v); err != nil {
			return err
		}
	}
	if m.kind == repeated {
		given = append(p.given[m.key()], given...)
	}
	p.given[m.key()] = slices.Clone(given)
	return nil
}

const errUnknown = unknownOption("unknown option")

type unknownOption string

func (u unknownOption) Error() string { return string(u) }

// matched is an option as it was written.
type matched struct {
	option
	state    string // of a flag or toggle: true or false
	part     bool   // --name.key of a JSON option
	attached string // -O3: the 3
}

// match finds the option of a name: as it stands, negated, a part of a JSON option, or by an unambiguous beginning.
func (p *parser) match(name string) (matched, error) {
	if o, ok := p.byName[name]; ok {
		return matched{option: o, state: "true"}, nil
	}
	if o, ok := p.negated[name]; ok {
		return matched{option: o, state: "false"}, nil
	}
	if !strings.HasPrefix(name, "--") {
		if o, ok := p.byName[name[:2]]; ok && o.takesValue() {
			return matched{option: o, attached: name[2:]}, nil
		}
		return matched{}, errUnknown
	}
	if base, _, dotted := strings.Cut(name, "."); dotted {
		if o, ok := p.byName[base]; ok && o.kind == object {
			return matched{option: o, part: true}, nil
		}
	}
	return p.abbreviated(name)
}

func (p *parser) abbreviated(name string) (matched, error) {
	var found []string
	for _, names := range []map[string]option{p.byName, p.negated} {
		for full := range maps.Keys(names) {
			if strings.HasPrefix(full, name) {
				found = append(found, full)
			}
		}
	}
	slices.Sort(found)
	switch len(found) {
	case 0:
		return matched{}, errUnknown
	case 1:
		return p.match(found[0])
	}
	return matched{}, usagef("ambiguous option: %s could match %s", name, strings.Join(found, ", "))
}

// isOption tells an option from a value as argparse does: negative numbers and texts with blanks are values.
func isOption(arg string) bool {
	if len(arg) < 2 || arg[0] != '-' {
		return false
	}
	digits := strings.Trim(arg[1:], "0123456789.")
	// A space makes a positional of it, unless it is in the value: --chat-template={{ a template }}.
	name, _, _ := strings.Cut(arg, "=")
	return digits != "" && !strings.Contains(name, " ")
}
