// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// lifeOfPool takes one pool through failed installs, a new chart version, and the gate off and on. The operator
// restarts with each new configuration.
func lifeOfPool(t *testing.T, c *cluster) {
	operator := c.startOperator(t, withChart("v1.4.0"))
	s := newScene(t, c)
	s.node("a", 1)
	s.workspace("phi")
	s.expect("phi", "InferencePoolReady=False PoolProgressing")
	s.serve("phi")
	s.expect("phi", "InferenceReady=True ReplicasReady", "Ready=False PoolProgressing")

	s.step("the registry has no such chart")
	s.sourceFails("phi", "OCIArtifactPullFailed", "failed to pull artifact: MANIFEST_UNKNOWN")
	s.expect("phi", "InferencePoolReady=False OCIArtifactPullFailed: MANIFEST_UNKNOWN", "Ready=False OCIArtifactPullFailed")
	s.stores("phi")
	s.runs("phi")
	s.expect("phi", "InferencePoolReady=False PoolProgressing")
	failedInstall(s)
	s.installs("phi")
	s.deploys("phi")
	s.pickerServes("phi")
	s.expect("phi", "Ready=True Ready", "InferencePoolReady=True PoolReady: v1.4.0")

	restart := func(configuration string) {
		s.Expect(operator.stop()).To(gomega.Succeed())
		operator = c.startOperator(t, configuration)
	}
	tagBump(s, restart)
	brokenPool(s)
	gate(s, restart)
}

// failedInstall retries as RetryOnFailure does: Ready alternates, the condition does not.
func failedInstall(s *scene) {
	s.t.Helper()
	const failure = "Helm install failed for release phi-inferencepool: timeout waiting for: [Deployment status: 'InProgress']"
	s.step("the install fails")
	s.releaseReady("phi", metav1.ConditionFalse, "InstallFailed", failure)
	release := s.release("phi")
	s.status(release, func() {
		release.Status.ObservedGeneration = release.Generation
		release.Status.Failures, release.Status.InstallFailures = 1, 1
	})
	s.expect("phi", "InferencePoolReady=False InstallFailed: timeout waiting", "Ready=False InstallFailed")
	// No step here: all of this is one and the same failure.
	for range 3 {
		s.releaseReady("phi", metav1.ConditionUnknown, "Progressing", "Running 'upgrade' action with timeout of 5m0s")
		s.releaseReady("phi", metav1.ConditionFalse, "InstallFailed", failure)
	}
	s.expect("phi", "InferencePoolReady=False InstallFailed")
	s.step("it will work")
	s.status(release, func() { release.Status.Failures, release.Status.InstallFailures = 0, 0 })
}

// tagBump is the next chart version, in the order in which Flux was seen to write: the pool becomes unready once, and
// Ready again only with the new chart.
func tagBump(s *scene, restart func(string)) {
	s.t.Helper()
	before := len(s.record.history("phi", v1beta1.ConditionInferencePoolReady))
	s.step("a newer chart version is configured")
	restart(withChart("v1.5.0"))
	repository := s.repository("phi")
	s.until(func() error {
		if repository = s.repository("phi"); repository.Spec.Reference.Tag != "v1.5.0" {
			return errors.New("the tag is not set yet")
		}
		return nil
	})
	s.expect("phi", "InferencePoolReady=False PoolProgressing: v1.5.0", "InferenceReady=True ReplicasReady")
	// From here to the end of the upgrade everything is expected to stay as it is.
	s.status(repository, func() {
		repository.Status.Conditions[0].Status, repository.Status.Conditions[0].Reason = metav1.ConditionUnknown, "Progressing"
	})
	s.status(repository, func() {
		repository.Status.Conditions[0].Status, repository.Status.Conditions[0].Reason = metav1.ConditionTrue, "Succeeded"
		repository.Status.Conditions[0].ObservedGeneration = repository.Generation
	})
	s.Consistently(func() error { return compare(s.workspaceNow("phi"), "InferencePoolReady=False PoolProgressing") }).Should(gomega.Succeed())
	s.stores("phi")
	s.releaseReady("phi", metav1.ConditionUnknown, "Progressing", "Running 'upgrade' action with timeout of 5m0s")
	s.releaseReady("phi", metav1.ConditionTrue, "UpgradeSucceeded", "Helm upgrade succeeded for release with chart inferencepool@1.5.0")
	s.Consistently(func() error { return compare(s.workspaceNow("phi"), "InferencePoolReady=False PoolProgressing") }).Should(gomega.Succeed())
	s.deploys("phi")
	ws := s.expect("phi", "InferencePoolReady=True PoolReady: v1.5.0", "Ready=True Ready")
	s.Expect(ws.Status.InferencePool.Version).To(gomega.Equal("1.5.0"))
	s.Expect(ws.Status.InferencePool.Digest).To(gomega.Equal(digestOf("v1.5.0")))
	want := []string{"False PoolProgressing", "True PoolReady"}
	if diff := cmp.Diff(want, s.record.history("phi", v1beta1.ConditionInferencePoolReady)[before:]); diff != "" {
		s.t.Errorf("InferencePoolReady during the upgrade (-want +have):\n%s", diff)
	}
}

// brokenPool removes what the chart made, which Flux would not notice for minutes.
func brokenPool(s *scene) {
	s.t.Helper()
	s.step("somebody deletes the endpoint picker")
	epp := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: eppName("phi"), Namespace: s.namespace}}
	s.Expect(s.Delete(s.t.Context(), epp)).To(gomega.Succeed())
	s.expect("phi", "InferencePoolReady=False EndpointPickerNotAvailable", "Ready=False EndpointPickerNotAvailable")
	s.until(func() error {
		if s.release("phi").Annotations["reconcile.fluxcd.io/requestedAt"] == "" {
			return errors.New("Flux is not asked to repair it")
		}
		return nil
	})
	s.installs("phi")
	s.pickerServes("phi")
	s.expect("phi", "InferencePoolReady=True PoolReady")
	s.step("somebody edits the pool")
	pool := &inferencev1.InferencePool{}
	s.Expect(s.get(pool, poolName("phi"))).To(gomega.BeTrue())
	selector := pool.Spec.Selector.MatchLabels
	s.edit(pool, func() {
		pool.Spec.Selector.MatchLabels = map[inferencev1.LabelKey]inferencev1.LabelValue{"app": "other"}
	})
	s.expect("phi", "InferencePoolReady=False SelectorDoesNotMatch")
	s.step("it is as it was")
	s.edit(pool, func() { pool.Spec.Selector.MatchLabels = selector })
	s.expect("phi", "InferencePoolReady=True PoolReady")
}

// gate switches the feature gate off and on.
func gate(s *scene, restart func(string)) {
	s.t.Helper()
	s.step("the gate is off")
	restart(gateOff())
	s.until(func() error {
		if s.get(&helmv2.HelmRelease{}, poolName("phi")) || s.get(&sourcev1.OCIRepository{}, poolName("phi")) {
			return errors.New("the Flux objects are still there")
		}
		return nil
	})
	s.uninstalls()
	ws := s.expect("phi", "!InferencePoolReady", "InferenceReady=True ReplicasReady", "Ready=True Ready")
	s.Expect(ws.Status.InferencePool).To(gomega.BeNil())
	s.Expect(s.written()).To(gomega.Equal([]string{"Deployment/phi", "Service/phi"}))
	s.step("the gate is on")
	restart(gateOn())
	s.expect("phi", "InferencePoolReady=False PoolProgressing", "Ready=False PoolProgressing", "InferenceReady=True ReplicasReady")
	s.fluxDeploys("phi")
	s.expect("phi", "InferencePoolReady=True PoolReady", "Ready=True Ready")
}

func (s *scene) workspaceNow(name string) *v1beta1.Workspace {
	s.t.Helper()
	ws := &v1beta1.Workspace{}
	s.Expect(s.get(ws, name)).To(gomega.BeTrue())
	return ws
}
