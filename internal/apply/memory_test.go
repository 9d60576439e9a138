// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestCompare covers what the cache may hold and what may be remembered.
func TestCompare(t *testing.T) {
	t.Parallel()
	written := &entry{want: "new", have: "new", version: "10", uid: "a"}
	admitted := &entry{want: "new", have: "changed by a webhook", version: "10", uid: "a"}
	for name, c := range map[string]struct {
		last *entry
		// have, version and uid are the cached object's; without have there is none.
		have, version, uid string
		want               Result
	}{
		"nothing, nothing remembered":           {nil, none, "", "", Created},
		"nothing, just written":                 {written, none, "", "", Pending},
		"nothing, and the cache had caught up":  {&entry{want: "new", have: "new", version: "10", uid: "a", shown: true}, none, "", "", Created},
		"nothing, something else was written":   {&entry{want: "old", have: "old", version: "10", uid: "a"}, none, "", "", Created},
		"as wanted":                             {written, "new", "10", "a", Unchanged},
		"as wanted after a restart":             {nil, "new", "10", "a", Unchanged},
		"as wanted, status written since":       {written, "new", "11", "a", Unchanged},
		"ours differs after a restart":          {nil, "old", "10", "a", Updated},
		"nothing of it is ours":                 {nil, "", "10", "a", Updated},
		"wanted something else before":          {&entry{want: "old", have: "old", version: "10", uid: "a"}, "old", "10", "a", Updated},
		"cache late":                            {written, "old", "9", "a", Pending},
		"cache late by more than a digit":       {&entry{want: "new", have: "new", version: "100", uid: "a"}, "old", "99", "a", Pending},
		"cache late, wanted something else":     {&entry{want: "old", have: "old", version: "10", uid: "a"}, "new", "9", "a", Updated},
		"edited":                                {written, "edited", "11", "a", Repaired},
		"another object of the name":            {written, "old", "5", "b", Updated},
		"another object of the name, as wanted": {written, "new", "5", "b", Unchanged},
		"changed by a webhook":                  {admitted, "changed by a webhook", "10", "a", Unchanged},
		"changed by a webhook and edited":       {admitted, "edited", "11", "a", Repaired},
		"versions that are no numbers":          {&entry{want: "new", have: "new", version: "x", uid: "a"}, "edited", "y", "a", Repaired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := memory{entries: map[string]entry{}}
			if c.last != nil {
				m.remember("key", *c.last)
			}
			// What is remembered of other objects does not count.
			m.remember("other", entry{want: "new", have: "new", version: "99", uid: "a"})
			if got := m.compare("key", "new", cachedObject(c.have, c.version, c.uid)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			m.forget("key")
			if got := m.compare("key", "new", nil); got != Created {
				t.Errorf("forgotten: got %s, want Created", got)
			}
		})
	}
}

// TestWrote: an object is known as our own by its version, until it is forgotten.
func TestWrote(t *testing.T) {
	t.Parallel()
	a := New(nil, nil, "manager")
	a.memory.remember("Service /", entry{want: "new", have: "new", version: "10", uid: "a"})
	for _, c := range []struct {
		version, uid string
		want         bool
	}{{"10", "a", true}, {"11", "a", false}, {"10", "b", false}} {
		if got := a.Wrote("Service", cachedObject("new", c.version, c.uid)); got != c.want {
			t.Errorf("version %s, uid %s: %t", c.version, c.uid, got)
		}
	}
	a.Forget("Service", types.NamespacedName{})
	if a.Wrote("Service", cachedObject("new", "10", "a")) {
		t.Error("it is remembered")
	}
}

// none as what is held says that the cache holds nothing.
const none = "-"

func cachedObject(have, version, uid string) client.Object {
	if have == none {
		return nil
	}
	cached := &corev1.Service{ObjectMeta: metav1.ObjectMeta{ResourceVersion: version, UID: types.UID(uid)}}
	cached.SetSelfLink(have)
	return cached
}
