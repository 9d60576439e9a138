// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/metrics"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// statusWriter is the only writer of status and events: at most one patch a reconcile, and only of a difference. It
// remembers what it wrote until the cache shows it, so that a late cache does not make it write again.
type statusWriter struct {
	client   client.Client
	recorder events.EventRecorder
	metrics  *metrics.Metrics

	mu      sync.Mutex
	written map[types.NamespacedName]written
	// heldSince is since when a status is held back; see mayWait.
	heldSince map[types.NamespacedName]time.Time
}

// written is what the cache does not show yet. It is dropped when it does, so that N settled Workspaces are not held twice.
type written struct {
	uid     types.UID
	version string
	status  v1beta1.WorkspaceStatus
}

func newStatusWriter(c client.Client, recorder events.EventRecorder, m *metrics.Metrics) *statusWriter {
	return &statusWriter{
		client: c, recorder: recorder, metrics: m,
		written: map[types.NamespacedName]written{}, heldSince: map[types.NamespacedName]time.Time{},
	}
}

// mayWait says that a status which will soon be another may be held back: for a moment, counted from the first that was.
// An event that never comes, or somebody who changes a child again and again, must not keep the status from being told.
func (s *statusWriter) mayWait(key types.NamespacedName, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, held := s.heldSince[key]
	if !held {
		s.heldSince[key] = now
		return true
	}
	return now.Sub(since) < eventInterval
}

func (s *statusWriter) write(ctx context.Context, observed *v1beta1.Workspace, in status.Input) error {
	key := client.ObjectKeyFromObject(observed)
	s.release(key)
	newest, err := s.newest(ctx, key)
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	if newest.UID != observed.UID {
		// Another one of that name: it has a reconcile of its own.
		return nil
	}
	before := newest.Status
	in.Previous = before
	want := status.Compute(in)
	if equality.Semantic.DeepEqual(before, want) {
		return nil
	}
	s.metrics.Changing(observed, before, in.Now.Time)
	// Nothing but the status goes into the patch, so nothing else is encoded for it.
	base := &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}, Status: before}
	ws := &v1beta1.Workspace{ObjectMeta: base.ObjectMeta, Status: want}
	if err := s.patch(ctx, base, ws); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing status: %w", err))
	}
	s.remember(ws)
	s.metrics.Reported(key, want, in.Now.Time)
	// The cache may have shown it before it was remembered.
	if err := s.client.Get(ctx, key, base); err == nil {
		s.see(base)
	}
	s.announce(ws, before.Conditions)
	return nil
}

// patch writes the difference, and learns of the answer only what the metadata says: the rest is what was written. Conditions
// are a list and are replaced whole; nobody else writes them.
func (s *statusWriter) patch(ctx context.Context, before, ws *v1beta1.Workspace) error {
	difference, err := client.MergeFrom(before).Data(ws)
	if err != nil {
		return fmt.Errorf("encoding the difference: %w", err)
	}
	stored := &metav1.PartialObjectMetadata{ObjectMeta: ws.ObjectMeta}
	stored.SetGroupVersionKind(v1beta1.GroupVersion.WithKind("Workspace"))
	if err := s.client.Status().Patch(ctx, stored, client.RawPatch(types.MergePatchType, difference)); err != nil {
		return err
	}
	ws.ObjectMeta = stored.ObjectMeta
	return nil
}

// newest is the Workspace as the cache has it now, with the status that was last written if the cache is behind. What a
// reconcile read at its beginning may be older than what the one before it wrote.
func (s *statusWriter) newest(ctx context.Context, key types.NamespacedName) (*v1beta1.Workspace, error) {
	// In this order: what is not remembered here any more, the cache shows.
	last, behind := s.lastWritten(key)
	cached := &v1beta1.Workspace{}
	if err := s.client.Get(ctx, key, cached); err != nil {
		return nil, fmt.Errorf("reading Workspace: %w", err)
	}
	if behind && !last.shownBy(cached) {
		ws := *cached
		ws.Status = last.status
		return &ws, nil
	}
	return cached, nil
}

// latest is the status of a Workspace that was read, or the one that was written since.
func (s *statusWriter) latest(ws *v1beta1.Workspace) v1beta1.WorkspaceStatus {
	if last, behind := s.lastWritten(client.ObjectKeyFromObject(ws)); behind && !last.shownBy(ws) {
		return last.status
	}
	return ws.Status
}

func (s *statusWriter) lastWritten(key types.NamespacedName) (written, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.written[key]
	return last, ok
}

func (s *statusWriter) remember(ws *v1beta1.Workspace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written[client.ObjectKeyFromObject(ws)] = written{uid: ws.UID, version: ws.ResourceVersion, status: ws.Status}
}

// see drops what the cache shows now. It is told of every change of a Workspace, also of those that need no reconcile.
func (s *statusWriter) see(cached *v1beta1.Workspace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := client.ObjectKeyFromObject(cached)
	if last, ok := s.written[key]; ok && last.shownBy(cached) {
		delete(s.written, key)
	}
}

func (w written) shownBy(cached *v1beta1.Workspace) bool {
	order, err := resourceversion.CompareResourceVersion(cached.ResourceVersion, w.version)
	return err != nil || order >= 0 || w.uid != cached.UID
}

// release ends what mayWait began.
func (s *statusWriter) release(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.heldSince, key)
}

func (s *statusWriter) forget(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.written, key)
	delete(s.heldSince, key)
}
