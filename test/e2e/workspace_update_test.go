// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// testRollingUpdate: clients notice nothing while all pods are replaced. Then off and on again.
func testRollingUpdate(t *testing.T) {
	s := newScene(t, shared, nil)
	s.workspace("phi", twoReplicas)
	ws := s.ready("phi")
	old := uids(s.modelPods("phi"))
	requests := s.send(ws)

	s.config("max-num-seqs: 64")
	s.edit(ws, func() { ws.Inference.Config = settings })
	s.expect("phi", "Ready=False RolloutInProgress", "InferencePoolReady=True PoolReady")
	s.ready("phi")
	s.until(func() error {
		for _, pod := range s.modelPods("phi") {
			if slices.Contains(old, pod.UID) {
				return fmt.Errorf("%s is still there", pod.Name)
			}
			s.Expect(pod.Spec.Containers[0].Args).To(gomega.ContainElement("--max-num-seqs=64"))
		}
		return nil
	})
	requests.end()
	s.Expect(s.record.statuses("phi", v1beta1.ConditionInferenceReady)).To(gomega.Equal([]string{"False", "True", "False", "True"}))
	s.Expect(s.record.statuses("phi", v1beta1.ConditionInferencePoolReady)).To(gomega.Equal([]string{"False", "True"}))

	s.scale("phi", 0)
	ws = s.expect("phi", "Ready=True Ready", "InferenceReady=True ScaledToZero")
	s.Expect(s.modelPods("phi")).To(gomega.BeEmpty())
	s.endpoints(ws, 0)
	s.scale("phi", 1)
	s.endpoints(s.ready("phi"), 1)
	s.chat("phi", phi)
}

func (s *scene) scale(workspace string, replicas int) {
	s.t.Helper()
	_, err := s.kubectl(s.ctx, "--namespace", s.namespace, "scale", "workspace", workspace, fmt.Sprintf("--replicas=%d", replicas))
	s.Expect(err).NotTo(gomega.HaveOccurred())
}

func uids(pods []corev1.Pod) []types.UID {
	var all []types.UID
	for _, pod := range pods {
		all = append(all, pod.UID)
	}
	return all
}

// TestWorkspaceOperatorUpgrade restarts the operator with other configurations while a client sends requests: the pool is
// upgraded, removed and made again, and the model is left alone.
func TestWorkspaceOperatorUpgrade(t *testing.T) {
	s := newScene(t, shared, nil)
	operator := shared.startOperator(t, withChart("v1.4.0"))
	s.workspace("phi")
	ws := s.ready("phi")
	s.expectChart(ws, "v1.4.0")
	pods := uids(s.modelPods("phi"))
	requests := s.send(ws)
	restart := func(configuration string) {
		s.Expect(operator.stop()).To(gomega.Succeed())
		operator = shared.startOperator(t, configuration)
	}

	restart(withChart("v1.5.0"))
	s.until(func() error { return s.wantsChart("phi", "v1.5.0") })
	s.expect("phi", "InferencePoolReady=True PoolReady: v1.5.0")
	s.expectChart(s.ready("phi"), "v1.5.0")
	requests.more(20)
	history := s.record.history("phi", v1beta1.ConditionInferencePoolReady)
	s.Expect(history[slices.Index(history, "True PoolReady"):]).To(gomega.Equal(
		[]string{"True PoolReady", "False PoolProgressing", "True PoolReady"}))

	restart(gateOff)
	s.until(func() error { return s.poolIsGone(ws) })
	s.expect("phi", "Ready=True Ready", "InferenceReady=True ReplicasReady", "!InferencePoolReady")
	requests.more(20)

	restart(gateOn)
	s.expect("phi", "InferencePoolReady=True PoolReady")
	s.endpoints(s.ready("phi"), 1)
	requests.end()
	s.Expect(uids(s.modelPods("phi"))).To(gomega.Equal(pods), "the model's pods must not be replaced")
	s.Expect(s.record.statuses("phi", v1beta1.ConditionInferenceReady)).To(gomega.Equal([]string{"False", "True"}))
}

func withChart(version string) string { return gateOn + chartVersion(version) }

func chartVersion(version string) string { return "chart: {version: " + version + "}\n" }

func (s *scene) wantsChart(workspace, version string) error {
	repository := &sourcev1.OCIRepository{}
	s.must(repository, workspace+"-inferencepool")
	if repository.Spec.Reference.Tag != version {
		return fmt.Errorf("the repository still asks for %s", repository.Spec.Reference.Tag)
	}
	return nil
}

// expectChart compares what the status says is deployed with what Flux downloaded and installed.
func (s *scene) expectChart(ws *v1beta1.Workspace, version string) {
	s.t.Helper()
	pool := ws.Status.InferencePool
	repository, picker := &sourcev1.OCIRepository{}, &appsv1.Deployment{}
	s.must(repository, pool.Name)
	s.must(picker, pool.EPPService)
	s.Expect("v" + pool.Version).To(gomega.Equal(version))
	s.Expect(version + "@" + pool.Digest).To(gomega.Equal(repository.Status.Artifact.Revision))
	s.Expect(picker.Spec.Template.Spec.Containers[0].Image).To(gomega.HaveSuffix("/epp:" + version))
}

func (s *scene) poolIsGone(ws *v1beta1.Workspace) error {
	pool := ws.Status.InferencePool
	var left error
	for name, obj := range map[string]client.Object{
		"repository": &sourcev1.OCIRepository{}, "release": &helmv2.HelmRelease{}, "pool": &inferencev1.InferencePool{},
	} {
		if s.get(obj, pool.Name) {
			left = errors.Join(left, fmt.Errorf("the %s is still there", name))
		}
	}
	for name, obj := range map[string]client.Object{"Deployment": &appsv1.Deployment{}, "Service": &corev1.Service{}} {
		if s.get(obj, pool.EPPService) {
			left = errors.Join(left, fmt.Errorf("the Endpoint Picker's %s is still there", name))
		}
	}
	return left
}
