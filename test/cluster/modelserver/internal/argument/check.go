// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argument

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// check returns the error that argparse prints for a value that the option does not allow.
func (o option) check(value string) error {
	switch o.kind {
	case integer, natural, positive, port:
		return o.checkWhole(value)
	case size, length:
		if _, ok := parseSize(value); ok || o.kind == length && (value == "-1" || value == "auto") {
			return nil
		}
		return usagef("%s: invalid human_readable_int value: '%s'", o.title(), value)
	case decimal, amount, fraction:
		return o.checkDecimal(value)
	case choice:
		if !slices.Contains(o.choices, value) {
			return usagef("%s: invalid choice: '%s' (choose from %s)", o.title(), value, strings.Join(o.choices, ", "))
		}
	case object:
		if !json.Valid([]byte(value)) {
			return usagef("%s: Value %s cannot be converted to json", o.title(), value)
		}
	case text, list, repeated, optional, flag, toggle:
	}
	return nil
}

func (o option) checkWhole(value string) error {
	n, err := strconv.Atoi(value)
	if err != nil {
		return usagef("%s: invalid int value: '%s'", o.title(), value)
	}
	least, most := math.MinInt, math.MaxInt
	switch o.kind {
	case natural:
		least = 0
	case positive:
		least = 1
	case port:
		least, most = 1, math.MaxUint16
	default:
	}
	if n < least {
		return usagef("%s: value should be greater than or equal to %d: '%s'", o.title(), least, value)
	}
	if n > most {
		return usagef("%s: value should be less than or equal to %d: '%s'", o.title(), most, value)
	}
	return nil
}

func (o option) checkDecimal(value string) error {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(n) {
		return usagef("%s: invalid float value: '%s'", o.title(), value)
	}
	switch {
	case o.kind == amount && n < 0:
		return usagef("%s: value should be greater than or equal to 0: '%s'", o.title(), value)
	case o.kind == fraction && (n <= 0 || n > 1):
		return usagef("%s: value should be greater than 0 and at most 1: '%s'", o.title(), value)
	}
	return nil
}

// parseSize reads a whole number of 1 or more with an optional suffix: small letters are powers of 1000 and allow a
// fraction, capital letters are powers of 1024 and do not.
func parseSize(value string) (int, bool) {
	if n, err := strconv.Atoi(value); err == nil {
		return n, n > 0
	}
	if value == "" {
		return 0, false
	}
	number, suffix := value[:len(value)-1], value[len(value)-1:]
	if power := strings.Index("KMGT", suffix); power >= 0 {
		n, err := strconv.Atoi(number)
		return n << (10 * (power + 1)), err == nil && n > 0
	}
	power := strings.Index("kmgt", suffix)
	n, err := strconv.ParseFloat(number, 64)
	if power < 0 || err != nil || n <= 0 {
		return 0, false
	}
	return int(math.Round(n * math.Pow10(3*(power+1)))), true
}
