// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// certificates remembers when each one expires. Reading them all at a scrape would mean parsing them all.
type certificates struct {
	mu        sync.Mutex
	authority time.Time
	pickers   map[types.NamespacedName]int64
}

func newCertificates() *certificates {
	return &certificates{pickers: map[types.NamespacedName]int64{}}
}

func (c *certificates) setAuthority(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.authority = at
}

func (c *certificates) set(key types.NamespacedName, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.IsZero() {
		delete(c.pickers, key)
		return
	}
	c.pickers[key] = at.Unix()
}

// expiry is when the first certificate of each sort expires, in seconds since 1970.
func (c *certificates) expiry() map[string]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]float64{}
	if !c.authority.IsZero() {
		out[authorityCertificate] = float64(c.authority.Unix())
	}
	for _, at := range c.pickers {
		if first, ok := out[pickerCertificate]; !ok || float64(at) < first {
			out[pickerCertificate] = float64(at)
		}
	}
	return out
}
