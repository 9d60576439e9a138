// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"os"
	"testing"

	"github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// TestOwnCluster holds what cannot be done where others work: CRDs that come and go, and operators that come and go.
func TestOwnCluster(t *testing.T) { //nolint:tparallel // its parts follow each other
	t.Parallel()
	c := startCluster(t, workspaceCRD())
	t.Run("optional APIs", func(t *testing.T) { optionalAPIs(t, c) })
	t.Run("old endpoint picker", func(t *testing.T) { oldPicker(t, c) })
	t.Run("life of a pool", func(t *testing.T) { lifeOfPool(t, c) })
	t.Run("two operators", func(t *testing.T) { twoOperators(t, c) })
	t.Run("killed", func(t *testing.T) { killed(t, c) })
}

// optionalAPIs: Flux is not there, comes, goes and comes again.
func optionalAPIs(t *testing.T, c *cluster) {
	operator := c.startOperator(t, gateOn())
	s := newScene(t, c)
	s.node("a", 1)
	const helmReleases, ociRepositories, pools = "helmreleases.helm.toolkit.fluxcd.io", "ocirepositories.source.toolkit.fluxcd.io", "inferencepools.inference.networking.k8s.io"

	s.workspace("phi")
	s.expect("phi", "InferencePoolReady=False CRDNotFound: "+helmReleases+", "+pools+", "+ociRepositories, "Ready=False LoadingModel")
	s.serve("phi")
	s.expect("phi", "InferenceReady=True ReplicasReady", "Ready=False CRDNotFound", "Reconciling=True CRDNotFound")

	s.step("Flux is installed")
	for _, file := range fluxCRDs() {
		s.install(file)
	}
	s.expect("phi", "InferencePoolReady=False CRDNotFound: not installed in this cluster: "+pools+";")
	s.step("the inference extension is installed")
	s.install(poolCRD())
	s.expect("phi", "InferencePoolReady=False PoolProgressing")
	s.fluxDeploys("phi")
	s.expect("phi", "Ready=True Ready")

	s.step("the HelmRelease's CRD is removed")
	s.remove(helmReleases)
	s.expect("phi", "InferencePoolReady=False CRDNotFound: "+helmReleases, "InferenceReady=True ReplicasReady")
	s.step("and comes back")
	s.install(fluxCRDs()[1])
	s.expect("phi", "InferencePoolReady=False PoolProgressing")
	s.fluxDeploys("phi")
	s.expect("phi", "Ready=True Ready")

	s.step("the InferencePool's CRD is removed")
	s.remove(pools)
	s.expect("phi", "InferencePoolReady=False CRDNotFound: "+pools)
	s.step("and comes back")
	s.install(poolCRD())
	s.expect("phi", "InferencePoolReady=False InferencePoolMissing")
	s.installs("phi")
	s.expect("phi", "Ready=True Ready")
	s.Expect(operator.ended()).To(gomega.BeFalse(), "it is the same operator all the time")

	s.step("the Workspace is deleted")
	s.Expect(s.Delete(s.t.Context(), s.expect("phi"))).To(gomega.Succeed())
	s.uninstalls()
	s.empty()
}

// oldPicker: Endpoint Pickers up to v1.2.1 need one CRD more.
func oldPicker(t *testing.T, c *cluster) {
	operator := c.startOperator(t, withChart("v1.2.1"))
	s := newScene(t, c)
	s.node("a", 1)
	s.workspace("phi")
	const objectives = "inferenceobjectives.inference.networking.x-k8s.io"
	s.expect("phi", "InferencePoolReady=False CRDNotFound: not installed in this cluster: "+objectives+"; endpoint pickers up to v1.2.1")
	s.step("it is installed")
	s.install(crd("gie", "inference.networking.x-k8s.io_inferenceobjectives.yaml"))
	s.expect("phi", "InferencePoolReady=False PoolProgressing")
	s.ready("phi")
	s.step("and removed")
	s.remove(objectives)
	s.expect("phi", "InferencePoolReady=False CRDNotFound: "+objectives, "InferenceReady=True ReplicasReady")
	s.Expect(operator.stop()).To(gomega.Succeed())
	s.step("a newer chart does without")
	operator = c.startOperator(t, gateOn())
	s.expect("phi", "InferencePoolReady=False PoolProgressing: v1.5.0")
	s.Expect(s.Delete(s.t.Context(), s.expect("phi"))).To(gomega.Succeed())
	s.uninstalls()
	s.empty()
	s.Expect(operator.stop()).To(gomega.Succeed())
}

func (s *scene) install(file string) {
	s.t.Helper()
	text, err := os.ReadFile(file)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	crd := &apiextensionsv1.CustomResourceDefinition{}
	s.Expect(yaml.Unmarshal(text, crd)).To(gomega.Succeed())
	s.create(crd)
	// The test's own client must find it too.
	s.until(func() error {
		_, err := s.RESTMapper().RESTMapping(schema.GroupKind{Group: crd.Spec.Group, Kind: crd.Spec.Names.Kind}, crd.Spec.Versions[0].Name)
		return err
	})
}

func (s *scene) remove(name string) {
	s.t.Helper()
	s.Expect(s.Delete(s.t.Context(), &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(gomega.Succeed())
	s.until(func() error {
		if s.Get(s.t.Context(), client.ObjectKey{Name: name}, &apiextensionsv1.CustomResourceDefinition{}) == nil {
			return errors.New("the CRD is still there")
		}
		return nil
	})
}
