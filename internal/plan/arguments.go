// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
)

//go:embed arguments.txt
var argumentTable string

// argumentKind is the type of an argument of vLLM.
type argumentKind string

const (
	kindBool   argumentKind = "bool"   // --x and --no-x
	kindFlag   argumentKind = "flag"   // --x only
	kindInt    argumentKind = "int"    // a whole number
	kindFloat  argumentKind = "float"  // any number
	kindSize   argumentKind = "size"   // a whole number, also as 16k or 16K
	kindLength argumentKind = "length" // a size, -1 or auto
	kindJSON   argumentKind = "json"
	kindEnum   argumentKind = "enum"
	kindList   argumentKind = "list"
	kindString argumentKind = "string"
)

// argument is one argument that vLLM knows.
type argument struct {
	name   string
	kind   argumentKind
	values []string // of kindEnum
}

// arguments yields the lines of the table.
func arguments() iter.Seq[argument] {
	return func(yield func(argument) bool) {
		for line := range strings.Lines(argumentTable) {
			if a, ok := parseArgument(line); ok && !yield(a) {
				return
			}
		}
	}
}

// argumentOf returns the argument of a name. It looks for the line and parses that one alone: a plan is made on each
// reconcile, and a map of the whole table would be most of what it costs.
func argumentOf(name string) (argument, bool) {
	for line := range strings.Lines(argumentTable) {
		if rest, found := strings.CutPrefix(line, name); found && strings.HasPrefix(rest, " ") {
			return parseArgument(line)
		}
	}
	return argument{}, false
}

func parseArgument(line string) (argument, bool) {
	fields := strings.Fields(line)
	if len(fields) < 2 || fields[0] == "#" {
		return argument{}, false
	}
	a := argument{name: fields[0], kind: argumentKind(fields[1])}
	if len(fields) > 2 {
		a.values = strings.Split(fields[2], ",")
	}
	return a, true
}

// nearestArgument returns the known name that differs from name by the fewest letters, or nothing if none is near.
func nearestArgument(name string) string {
	const longest = 60 // no argument is longer, and the distance costs the product of both lengths
	if len(name) > longest {
		return ""
	}
	best, distance := "", max(2, len(name)/3)+1
	for a := range arguments() {
		if d := levenshtein.ComputeDistance(name, a.name); d < distance {
			best, distance = a.name, d
		}
	}
	return best
}

// render returns the elements of the command line that set the argument; none if vLLM's default is meant anyway. The
// value is one element with its name, so that no value can become an argument of its own.
func (a argument) render(value string) ([]string, error) {
	if a.kind == kindBool || a.kind == kindFlag {
		return a.renderSwitch(value)
	}
	if err := a.check(value); err != nil {
		return nil, err
	}
	return []string{"--" + a.name + "=" + value}, nil
}

func (a argument) renderSwitch(value string) ([]string, error) {
	switch strings.ToLower(value) {
	case "", "true":
		return []string{"--" + a.name}, nil
	case "false":
		if a.kind == kindFlag {
			return nil, nil
		}
		return []string{"--no-" + a.name}, nil
	default:
		return nil, fmt.Errorf("want true or false, have %q", quoted(value))
	}
}

func (a argument) check(value string) error {
	valid, want := true, ""
	switch a.kind {
	case kindInt:
		_, err := strconv.ParseInt(value, 10, 64)
		valid, want = err == nil, "a whole number"
	case kindFloat:
		number, err := strconv.ParseFloat(value, 64)
		valid, want = err == nil && !math.IsNaN(number) && !math.IsInf(number, 0), "a number"
	case kindSize:
		_, err := parseSize(value)
		valid, want = err == nil, "a whole number, also as 16k or 16K"
	case kindLength:
		_, err := parseSize(value)
		valid, want = err == nil || isAuto(value), "a number of tokens"
	case kindJSON:
		valid, want = json.Valid([]byte(value)), "JSON as one string"
	case kindEnum:
		valid, want = slices.Contains(a.values, value), "one of "+strings.Join(a.values, ", ")
	case kindList, kindString, kindBool, kindFlag:
		valid, want = value != "" && !strings.ContainsRune(value, 0), "a value"
	}
	if !valid {
		return fmt.Errorf("want %s, have %q", want, quoted(value))
	}
	return nil
}

// parseSize reads whole numbers as vLLM does: 16k is 16,000, 16K is 16,384, and only small letters go with decimals.
func parseSize(text string) (int64, error) {
	number := strings.TrimRight(text, "kKmMgGtT")
	suffix := text[len(number):]
	if suffix == "" {
		return strconv.ParseInt(number, 10, 64)
	}
	power := strings.Index("kmgt", strings.ToLower(suffix)) + 1
	if len(suffix) > 1 || strings.ContainsAny(number, "-+eE_xX") {
		return 0, fmt.Errorf("%q is not a size", text)
	}
	base := 1000.0
	if suffix == strings.ToUpper(suffix) {
		base = 1024
		if strings.Contains(number, ".") {
			return 0, fmt.Errorf("%q: decimals need a small letter", text)
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	if size := value * math.Pow(base, float64(power)); err == nil && size < math.MaxInt64/2 {
		return int64(size), nil
	}
	return 0, fmt.Errorf("%q is not a size", text)
}

func isAuto(value string) bool { return value == "-1" || strings.EqualFold(value, "auto") }
