// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import "testing"

func TestReady(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.node("a", 1)
	s.workspace("phi")
	s.ready("phi")
}
