// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	const rest = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"
	for name, line := range map[string]string{
		"plain":               "42 (etcd) S" + rest,
		"blanks and brackets": "42 (a) (b c) S" + rest,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseStat(line)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(stat{state: 'S', start: 4711}, got, cmp.AllowUnexported(stat{})); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, broken := range []string{"", "42 (etcd", "42 (etcd) S 1 2", "42 (etcd) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20"} {
		if got, err := parseStat(broken); err == nil {
			t.Errorf("parseStat(%q) = %v, want an error", broken, got)
		}
	}
}
