// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// memory remembers the last write of each object for two cases that a digest cannot tell: the cache has not seen our
// write yet, and a webhook changes what we write so that we never own exactly what we want. Losing it costs one
// needless write for each object of the second kind, no more.
type memory struct {
	mu      sync.Mutex
	entries map[string]entry
}

type entry struct {
	// want is the digest of what was sent, have that of what we owned afterwards.
	want, have string
	version    string
	uid        types.UID
	// shown says that the cache has caught up with the write. An object that it does not hold after that is gone, or was
	// made to look like somebody else's.
	shown bool
}

func (m *memory) remember(key string, e entry) {
	if e.have == e.want {
		e.have = e.want // the same text, not two that are equal
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries[key] = e
}

// assume is remember for what was not written by this process, and yields to what was.
func (m *memory) assume(key string, e entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.entries[key]; !known {
		m.entries[key] = e
	}
}

func (m *memory) wrote(key string, obj client.Object) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, known := m.entries[key]
	return known && last.uid == obj.GetUID() && last.version == obj.GetResourceVersion()
}

func (m *memory) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(key)
}

// drop gives the table's room back with its last entry: a map keeps that of the most it ever held, which after a burst is
// an entry for each object of the cluster.
func (m *memory) drop(key string) {
	delete(m.entries, key)
	if len(m.entries) == 0 {
		m.entries = map[string]entry{}
	}
}

// compare says whether the object is as wanted already, and what a write would amount to if it is not.
func (m *memory) compare(key, want string, cached client.Object) Result {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, known := m.entries[key]
	if cached == nil {
		if known && last.want == want && !last.shown {
			return Pending
		}
		return Created
	}
	have := NotedDigest(cached)
	late := known && last.uid == cached.GetUID() && isOlder(cached, last)
	if known && !late && !last.shown {
		last.shown = true
		m.entries[key] = last
	}
	switch {
	case late && last.want == want:
		return Pending
	case late:
		// What the cache shows says nothing about what was written since.
		return Updated
	case have == want:
		// The cache says the same now; Edited brings it back. So settled objects are not held twice.
		m.drop(key)
		return Unchanged
	case !known || last.uid != cached.GetUID() || last.want != want:
		return Updated
	case last.have == have:
		// Already sent, and this is how it was admitted: a webhook changed it.
		return Unchanged
	default:
		return Repaired
	}
}

func isOlder(cached client.Object, last entry) bool {
	order, err := resourceversion.CompareResourceVersion(cached.GetResourceVersion(), last.version)
	return err == nil && order < 0
}
