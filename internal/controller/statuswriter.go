// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// statusWriter is the only writer of status and events: at most one patch a reconcile, and only of a difference. It
// remembers what it wrote until the cache shows it, so that a late cache does not make it write again.
type statusWriter struct {
	client   client.Client
	recorder events.EventRecorder

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

func newStatusWriter(c client.Client, recorder events.EventRecorder) *statusWriter {
	return &statusWriter{client: c, recorder: recorder, written: map[types.NamespacedName]written{}, heldSince: map[types.NamespacedName]time.Time{}}
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

func (s *statusWriter) write(ctx context.Context, cached *v1beta1.Workspace, in status.Input) error {
	s.release(client.ObjectKeyFromObject(cached))
	before := s.newest(cached)
	in.Previous = before
	want := status.Compute(in)
	if equality.Semantic.DeepEqual(before, want) {
		return nil
	}
	// Nothing but the status goes into the patch, so nothing else is encoded for it.
	base := &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: cached.Namespace, Name: cached.Name}, Status: before}
	ws := base.DeepCopy()
	ws.Status = want
	// Conditions are a list and are replaced whole; nobody else writes them.
	if err := s.client.Status().Patch(ctx, ws, client.MergeFrom(base)); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing status: %w", err))
	}
	s.remember(ws)
	// The cache may have shown it before it was remembered.
	if err := s.client.Get(ctx, client.ObjectKeyFromObject(ws), base); err == nil {
		s.see(base)
	}
	s.announce(ws, before.Conditions)
	return nil
}

// newest is the status as the cache has it, or as it was last written if the cache is behind.
func (s *statusWriter) newest(cached *v1beta1.Workspace) v1beta1.WorkspaceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.written[client.ObjectKeyFromObject(cached)]
	if !ok || last.shownBy(cached) {
		return cached.Status
	}
	return last.status
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

// announce emits one event for all conditions that changed with this write.
func (s *statusWriter) announce(ws *v1beta1.Workspace, before []metav1.Condition) {
	var changes []string
	for _, c := range ws.Status.Conditions {
		if c.Type == v1beta1.ConditionWorkspaceSucceeded || c.Type == v1beta1.ConditionReconciling || c.Type == v1beta1.ConditionStalled {
			continue
		}
		old := meta.FindStatusCondition(before, c.Type)
		if old == nil || old.Status != c.Status || old.Reason != c.Reason {
			changes = append(changes, fmt.Sprintf("%s=%s (%s)", c.Type, c.Status, c.Reason))
		}
	}
	ready := meta.FindStatusCondition(ws.Status.Conditions, v1beta1.ConditionReady)
	if len(changes) == 0 || ready == nil {
		return
	}
	slices.Sort(changes)
	kind := corev1.EventTypeNormal
	if meta.IsStatusConditionTrue(ws.Status.Conditions, v1beta1.ConditionStalled) || isFailure(ready.Reason) {
		kind = corev1.EventTypeWarning
	}
	// An event's note holds 1 KiB.
	note := strings.Join(changes, ", ") + ": " + ready.Message
	s.recorder.Eventf(ws, nil, kind, ready.Reason, "Reconcile", "%s", strings.ToValidUTF8(note[:min(len(note), 1000)], ""))
}

// isFailure tells reasons that somebody should look at from those of ordinary progress.
func isFailure(reason string) bool {
	switch reason {
	case v1beta1.ReasonReady, v1beta1.ReasonProgressing, v1beta1.ReasonLoadingModel, v1beta1.ReasonRolloutInProgress,
		v1beta1.ReasonPoolProgressing, v1beta1.ReasonRouteProgressing, v1beta1.ReasonInsufficientNodes, v1beta1.ReasonScaledToZero:
		return false
	default:
		return true
	}
}
