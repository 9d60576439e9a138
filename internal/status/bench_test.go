// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"testing"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// BenchmarkCompute is what the status costs a reconcile, in the last step of each of these cases.
func BenchmarkCompute(b *testing.B) {
	for _, c := range readCases(b) {
		switch c.Name {
		case "first-start", "pool-first-install", "multi-node", "crash-loop":
		default:
			continue
		}
		b.Run(c.Name, func(b *testing.B) {
			in := c.Steps[len(c.Steps)-1].Input(v1beta1.WorkspaceStatus{})
			in.Previous = status.Compute(in)
			b.ReportAllocs()
			for b.Loop() {
				if len(status.Compute(in).Conditions) == 0 {
					b.Fatal("no conditions")
				}
			}
		})
	}
}
