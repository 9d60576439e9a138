// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"testing"
)

// TestEdited: a process that has just started tells an edit from a change of what is wanted, by what the object was before.
func TestEdited(t *testing.T) {
	t.Parallel()
	written := &entry{want: "new", have: "new", version: "20", uid: "a"}
	for name, c := range map[string]struct {
		last          *entry
		before, after string
		want          Result
	}{
		"edited":                            {nil, "new", "edited", Repaired},
		"edited, and something else wanted": {nil, "old", "edited", Updated},
		"edited into what is wanted now":    {nil, "old", "new", Unchanged},
		"no field of ours edited":           {nil, "old", "old", Updated},
		"nothing of it was ours":            {nil, "", "edited", Updated},
		"what was written since counts":     {written, "old", "edited", Repaired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := New(nil, nil, "manager")
			const key = "Service /"
			if c.last != nil {
				a.memory.remember(key, *c.last)
			}
			after := cachedObject(c.after, "21", "a")
			a.Edited("Service", cachedObject(c.before, "10", "a"), after)
			if got := a.memory.compare(key, "new", after); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
