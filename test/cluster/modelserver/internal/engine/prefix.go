// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"container/list"
	"hash/fnv"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/token"
)

// prefixes remembers the full blocks of prompts that were computed lately, each by a hash of all text up to its end.
type prefixes struct {
	most   int
	recent *list.List // of uint64, the least recent first
	known  map[uint64]*list.Element
}

func newPrefixes(most int) *prefixes {
	return &prefixes{most: most, recent: list.New(), known: map[uint64]*list.Element{}}
}

// look returns how many tokens at the beginning of the prompt were computed before, and remembers the whole prompt.
// At least one token always has to be computed.
func (p *prefixes) look(adapter, prompt string, blockSize int) int {
	hits, unbroken := 0, true
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(adapter + "\x00")) // a hash never fails
	total := token.Count(prompt)
	for width := blockSize * token.Width; len(prompt) >= width; prompt = prompt[width:] {
		_, _ = sum.Write([]byte(prompt[:width]))
		if unbroken = p.use(sum.Sum64()) && unbroken; unbroken {
			hits += blockSize
		}
	}
	return max(0, min(hits, total-1))
}

// use marks a block as used last and says whether it was known.
func (p *prefixes) use(hash uint64) bool {
	if element, ok := p.known[hash]; ok {
		p.recent.MoveToBack(element)
		return true
	}
	p.known[hash] = p.recent.PushBack(hash)
	if p.recent.Len() > p.most {
		if oldest, ok := p.recent.Remove(p.recent.Front()).(uint64); ok {
			delete(p.known, oldest)
		}
	}
	return false
}
