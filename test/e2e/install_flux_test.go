// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"testing"

	"github.com/onsi/gomega"
)

// TestInstallBesideFlux: the chart uses the Flux that runs in a cluster, found or told, and brings none of its own.
func TestInstallBesideFlux(t *testing.T) { //nolint:paralleltest // one operator at a time works in a cluster
	if bare() {
		t.Skip("needs a cluster with Flux")
	}
	i := newInstallation(t, shared)
	// The CRDs of this cluster are not the chart's.
	values := []string{gateValue + "true", "crds.install=false"}
	defer i.uninstall()
	notes := i.upgrade(values...)
	i.Expect(notes).To(gomega.ContainSubstring("the Flux that runs here already (flux-system/helm-controller)"))
	i.Expect(i.deployments()).To(gomega.Equal([]string{chartRelease}))
	s := newScene(t, shared, restricted())
	ws := s.workspace("phi")
	s.ready("phi")

	notes = i.upgrade(append(values, "flux.install=never")...)
	i.Expect(notes).To(gomega.ContainSubstring("flux.install is never"))
	i.Expect(i.deployments()).To(gomega.Equal([]string{chartRelease}))
	s.ready("phi")
	s.Expect(s.Delete(s.ctx, ws)).To(gomega.Succeed())
	i.settles()
}
