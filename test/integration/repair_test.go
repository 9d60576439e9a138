// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
)

// TestRepairWaits lets a release say that it is deployed before anything that it installed shows: Flux is asked for a repair,
// but not before what is only late had time to come.
func TestRepairWaits(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.node("a", 1)
	s.workspace("phi")
	s.stores("phi")
	s.runs("phi")
	s.deploys("phi")
	s.until(func() error {
		release := s.release("phi")
		text := release.Annotations["reconcile.fluxcd.io/requestedAt"]
		if text == "" {
			return errors.New("Flux is not asked to repair it")
		}
		asked, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return err
		}
		ready := meta.FindStatusCondition(release.Status.Conditions, "Ready").LastTransitionTime
		if waited := asked.Sub(ready.Time); waited < 2*time.Second {
			t.Errorf("Flux is asked to repair %s after its release was ready", waited)
		}
		return nil
	})
}
