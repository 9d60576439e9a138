// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// TestDelete deletes a Workspace at each stage of its life. Everything goes, whatever was waited for.
func TestDelete(t *testing.T) {
	t.Parallel()
	for name, stage := range map[string]func(*scene){
		"at once":        func(*scene) {},
		"loading":        func(s *scene) { s.report("phi", 1, loading) },
		"crashing":       func(s *scene) { s.report("phi", 1, waiting("ImagePullBackOff", "no", nil)) },
		"chart missing":  func(s *scene) { s.sourceFails("phi", "OCIArtifactPullFailed", "no") },
		"installing":     func(s *scene) { s.stores("phi"); s.runs("phi"); s.installs("phi") },
		"Ready":          func(s *scene) { s.ready("phi") },
		"with finalizer": holdRelease,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, shared)
			s.node("a", 1)
			ws := s.workspace("phi")
			stage(s)
			s.step("deleted")
			s.Expect(s.Delete(s.t.Context(), ws)).To(gomega.Succeed())
			s.gone(&v1beta1.Workspace{}, "phi")
			s.uninstalls()
			s.letGo()
			s.empty()
		})
	}
}

// holdRelease is helm-controller, which must uninstall before its HelmRelease may go.
func holdRelease(s *scene) {
	s.t.Helper()
	s.ready("phi")
	release := s.release("phi")
	s.edit(release, func() { release.Finalizers = []string{"finalizers.fluxcd.io"} })
}

// letGo is helm-controller after the uninstall.
func (s *scene) letGo() {
	s.t.Helper()
	release := s.heldRelease()
	if release == nil {
		return
	}
	s.until(func() error {
		if release = s.heldRelease(); release.DeletionTimestamp == nil {
			return errors.New("the HelmRelease is not being deleted")
		}
		return nil
	})
	s.edit(release, func() { release.Finalizers = nil })
}

// heldRelease is the HelmRelease if it is there and has a finalizer.
func (s *scene) heldRelease() *helmv2.HelmRelease {
	s.t.Helper()
	release := &helmv2.HelmRelease{}
	if !s.get(release, poolName("phi")) || len(release.Finalizers) == 0 {
		return nil
	}
	return release
}

// TestRecreated: a Workspace that comes back under its name gets children of its own.
func TestRecreated(t *testing.T) {
	t.Parallel()
	for name, propagation := range map[string]metav1.DeletionPropagation{
		"background": metav1.DeletePropagationBackground,
		"foreground": metav1.DeletePropagationForeground,
		"orphan":     metav1.DeletePropagationOrphan,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recreated(newScene(t, shared), propagation)
		})
	}
}

func recreated(s *scene, propagation metav1.DeletionPropagation) {
	s.t.Helper()
	s.node("a", 1)
	ws := s.workspace("phi")
	s.ready("phi")
	s.Expect(s.Delete(s.t.Context(), ws, client.PropagationPolicy(propagation))).To(gomega.Succeed())
	s.gone(&v1beta1.Workspace{}, "phi")
	s.step("created again")
	ws = s.workspace("phi")
	s.until(func() error {
		have := s.everything(func(obj metav1.Object) bool { return metav1.IsControlledBy(obj, ws) })
		if len(have) != 5 {
			return fmt.Errorf("have only %v", have)
		}
		return nil
	})
	if propagation != metav1.DeletePropagationOrphan {
		s.uninstalls()
		s.gone(&appsv1.Deployment{}, eppName("phi"))
	}
	s.ready("phi")
}

func (s *scene) gone(obj client.Object, name string) {
	s.t.Helper()
	s.until(func() error {
		if s.get(obj, name) {
			return fmt.Errorf("%T %s is still there", obj, name)
		}
		return nil
	})
}
