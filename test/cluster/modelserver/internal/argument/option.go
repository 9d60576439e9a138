// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package argument reads the command line of `vllm serve` the way vLLM's own parser does, so that an argument
// that real vLLM would refuse is refused here too. It knows the names, the number of values and the allowed values.
package argument

import "strings"

// kind says how many values an option takes and what they must look like.
type kind int

const (
	text     kind = iota
	integer       // any whole number
	natural       // whole number, 0 or more
	positive      // whole number, 1 or more
	port          // whole number, 1 to 65535
	size          // whole number, also with a suffix: 16k is 16,000 and 16K is 16,384
	length        // a size, or -1 or auto for the longest that fits
	decimal       // any number
	amount        // number, 0 or more
	fraction      // number above 0, at most 1
	choice        // one of option.choices
	object        // JSON; parts of it also as --name.key value
	list          // one or more values
	repeated      // one value each time it is given
	optional      // a value or none
	flag          // no value
	toggle        // no value, and there is a --no- form
)

// option is one argument of the command line.
type option struct {
	names   []string // the long name first, each with its dashes
	kind    kind
	choices []string
}

// key is the name under which the values of the option are kept.
func (o option) key() string { return strings.TrimPrefix(o.names[0], "--") }

// title is how argparse calls the option in messages.
func (o option) title() string { return "argument " + strings.Join(o.names, "/") }

func (o option) takesValue() bool { return o.kind != flag && o.kind != toggle }

// options makes options of one kind out of specifications "name" or "name,-alias".
func options(k kind, specs ...string) []option {
	all := make([]option, 0, len(specs))
	for _, spec := range specs {
		names := strings.Split("--"+spec, ",")
		all = append(all, option{names: names, kind: k})
	}
	return all
}

// oneOf makes an option that takes one of the given values.
func oneOf(spec string, choices ...string) option {
	return option{names: strings.Split("--"+spec, ","), kind: choice, choices: choices}
}
