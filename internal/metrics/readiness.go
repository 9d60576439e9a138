// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// Values of the label since.
const (
	sinceCreation = "creation"
	sinceChange   = "change"
)

// readiness measures how long changes take. It remembers those that are under way and nothing else: a status that speaks of
// the newest generation already was measured, or its beginning was not seen. So nothing is measured twice after a restart,
// and what was under way then is not measured at all.
type readiness struct {
	seconds *prometheus.HistogramVec

	mu    sync.Mutex
	under map[types.NamespacedName]change
}

// change is one that is not Ready yet.
type change struct {
	generation int64
	since      string
	at         time.Time
}

func newReadiness() *readiness {
	r := &readiness{
		under: map[types.NamespacedName]change{},
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kaito_workspace_time_to_ready_seconds",
			Help: "How long Workspaces took to be Ready, since their creation or since a change of their spec. Each change is " +
				"counted once; one that was under way when the operator started is not.",
			Buckets: []float64{5, 10, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800},
		}, []string{"since"}),
	}
	for _, since := range []string{sinceCreation, sinceChange} {
		r.seconds.WithLabelValues(since)
	}
	return r
}

func (r *readiness) begin(ws *v1beta1.Workspace, before v1beta1.WorkspaceStatus, now time.Time) {
	if before.ObservedGeneration == ws.Generation {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := client.ObjectKeyFromObject(ws)
	if known, ok := r.under[key]; ok && known.generation == ws.Generation {
		return
	}
	begun := change{generation: ws.Generation, since: sinceChange, at: now}
	if before.ObservedGeneration == 0 {
		begun.since, begun.at = sinceCreation, ws.CreationTimestamp.Time
	}
	r.under[key] = begun
}

func (r *readiness) end(key types.NamespacedName, status v1beta1.WorkspaceStatus, now time.Time) {
	if !meta.IsStatusConditionTrue(status.Conditions, v1beta1.ConditionReady) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	begun, ok := r.under[key]
	if !ok {
		return
	}
	delete(r.under, key)
	r.seconds.WithLabelValues(begun.since).Observe(now.Sub(begun.at).Seconds())
}

func (r *readiness) forget(key types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.under, key)
}
