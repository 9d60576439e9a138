// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"testing"

	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

func BenchmarkRender(b *testing.B) {
	p := example()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := route.Render(p); err != nil {
			b.Fatal(err)
		}
	}
}
