// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package preset

import (
	"io/fs"
	"strings"
	"testing"
)

// An empty revision floats with the repository's main branch: a comment has to
// say that this is known.
func TestEmptyRevisionsAreExplained(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(builtin, "catalogue/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	empty := 0
	for _, file := range files {
		data, err := fs.ReadFile(builtin, file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(string(data), "\n") {
			if !strings.Contains(line, `revision: ""`) {
				continue
			}
			empty++
			if !strings.Contains(line, "# no commit verified") {
				t.Errorf("%s: %s", file, line)
			}
		}
	}
	catalogue, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range catalogue.Names() {
		if catalogue.presets[name].Revision == "" {
			empty--
		}
	}
	if empty != 0 {
		t.Errorf("a preset leaves out its revision instead of saying that it is empty")
	}
}
