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
	catalogue, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	explained := strings.Count(sources(t), `revision: "" # no commit verified`)
	for _, name := range catalogue.Names() {
		if catalogue.presets[name].Revision == "" {
			explained--
		}
	}
	if explained != 0 {
		t.Errorf("%d comments too many (or, if negative, too few) about empty revisions", explained)
	}
}

// sources returns the text of all built-in documents.
func sources(t *testing.T) string {
	t.Helper()
	files, err := fs.Glob(builtin, "catalogue/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, file := range files {
		data, err := fs.ReadFile(builtin, file)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(data)
	}
	return text.String()
}
