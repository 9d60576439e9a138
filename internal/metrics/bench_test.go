// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/metrics"
)

// BenchmarkFleet is a scrape of ten thousand Workspaces: all of them Ready, and none.
func BenchmarkFleet(b *testing.B) {
	for name, ready := range map[string]string{"ready": "Ready=True Ready", "unready": "Ready=False LoadingModel"} {
		b.Run(name, func(b *testing.B) {
			var fleet []*v1beta1.Workspace
			for i := range 10_000 {
				fleet = append(fleet, workspace(fmt.Sprintf("workspace-%d", i),
					ready, "WorkspaceSucceeded=True Ready", "ResourceReady=True NodesReady", "InferenceReady=True ReplicasReady", "InferencePoolReady=True PoolReady"))
			}
			collector := metrics.NewFleet(slices.Values(fleet), closed())
			b.ReportAllocs()
			for b.Loop() {
				out := make(chan prometheus.Metric)
				go func() {
					collector.Collect(out)
					close(out)
				}()
				for range out {
				}
			}
		})
	}
}
