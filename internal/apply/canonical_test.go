// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import "testing"

// TestCanonical: values that are equal are written alike, and others are not.
func TestCanonical(t *testing.T) {
	t.Parallel()
	for want, alike := range map[string][]any{
		`{"a":1,"b":[true,null,],}`: {
			map[string]any{"a": int64(1), "b": []any{true, nil}}, map[string]any{"b": []any{true, nil}, "a": 1.0},
		},
		`"1"`: {"1"}, `"true"`: {"true"}, `true`: {true}, `1.5`: {1.5}, `-2`: {int64(-2), -2.0}, `1e+30`: {1e30}, `9007199254740993`: {int64(9007199254740993)},
		`"a\",\"b"`: {`a","b`}, `["a","b",]`: {[]any{"a", "b"}}, `[]`: {[]any{}}, `{}`: {map[string]any{}},
	} {
		for _, value := range alike {
			if got := string(appendCanonical(nil, value)); got != want {
				t.Errorf("%#v: %s, want %s", value, got, want)
			}
		}
	}
}
