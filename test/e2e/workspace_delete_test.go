// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/onsi/gomega"
)

// testDeletedWhileReady: nothing that a Workspace made stays, whatever made it.
func testDeletedWhileReady(t *testing.T) {
	s := newScene(t, shared, nil)
	s.token()
	before := s.empty()
	phi, llama := s.workspace("phi"), s.workspace("llama", twoNodes)
	s.ready("phi")
	s.ready("llama")
	s.Expect(kinds(s.inventory())).To(gomega.ContainElements(
		"deployments", "statefulsets", "services", "helmreleases", "ocirepositories", "inferencepools", "pods"))
	s.Expect(s.Delete(s.ctx, phi)).To(gomega.Succeed())
	s.Expect(s.Delete(s.ctx, llama)).To(gomega.Succeed())
	s.tidy(before)
}

// testDeletedWhileStarting: it is deleted while Helm installs and the pods start.
func testDeletedWhileStarting(t *testing.T) {
	s := newScene(t, shared, nil)
	before := s.empty()
	ws := s.workspace("phi")
	s.until(func() error {
		if !s.get(&helmv2.HelmRelease{}, "phi-inferencepool") || len(s.modelPods("phi")) == 0 {
			return fmt.Errorf("nothing is started yet")
		}
		return nil
	})
	s.Expect(s.Delete(s.ctx, ws)).To(gomega.Succeed())
	s.tidy(before)
}
