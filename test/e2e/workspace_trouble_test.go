// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// soon is far below the interval at which Flux would find a change by itself.
const soon = time.Minute

func (s *scene) quota(resources corev1.ResourceList) *corev1.ResourceQuota {
	s.t.Helper()
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "quota"}, Spec: corev1.ResourceQuotaSpec{Hard: resources}}
	s.create(quota)
	s.until(func() error {
		s.must(quota, "quota")
		if len(quota.Status.Hard) == 0 {
			return fmt.Errorf("the quota is not in force yet")
		}
		return nil
	})
	return quota
}

// testPodQuota: pods that the quota refuses are reported in the server's words, of the model and of the Endpoint Picker.
func testPodQuota(t *testing.T) {
	s := newScene(t, shared, nil)
	quota := s.quota(corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")})
	s.workspace("phi")
	s.expect("phi", "Ready=False WorkloadRejected: exceeded quota: quota", "InferenceReady=False WorkloadRejected: requested: pods=1, used: pods=0, limited: pods=0",
		"InferencePoolReady=False PodsNotCreated: exceeded quota: quota")
	s.Expect(s.Delete(s.ctx, quota)).To(gomega.Succeed())
	s.ready("phi")
}

// testDeploymentQuota: a workload that is refused as such leaves no pool without a model behind it.
func testDeploymentQuota(t *testing.T) {
	s := newScene(t, shared, nil)
	quota := s.quota(corev1.ResourceList{"count/deployments.apps": resource.MustParse("0")})
	before := s.inventory()
	s.workspace("phi")
	s.expect("phi", "Ready=False WorkloadRejected: exceeded quota: quota", "InferenceReady=False WorkloadRejected: used: count/deployments.apps=0",
		"InferencePoolReady=False WorkloadRejected", "Reconciling=True WorkloadRejected")
	s.Expect(kinds(s.inventory())).To(gomega.Equal(kinds(append([]string{}, append(before, "workspaces/phi")...))))
	s.Expect(s.Delete(s.ctx, quota)).To(gomega.Succeed())
	s.ready("phi")
}

// testUnschedulable: pods that want more GPUs than any node has.
func testUnschedulable(t *testing.T) {
	s := newScene(t, shared, nil)
	ws := &v1beta1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Name: "large"},
		Inference: &v1beta1.InferenceSpec{Template: &corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "server", Image: modelImage(), Ports: []corev1.ContainerPort{{ContainerPort: 5000}},
			Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1000")}},
		}}}}},
	}
	s.create(ws)
	s.expect("large", "Ready=False Unschedulable: Insufficient nvidia.com/gpu", "InferenceReady=False Unschedulable: no node takes the pod",
		"InferencePoolReady=True PoolReady")
}

// testMissingSecret: the token of a gated model is missing, and everything goes on when it comes.
func testMissingSecret(t *testing.T) {
	s := newScene(t, shared, nil)
	s.workspace("llama", func(ws *v1beta1.Workspace) {
		ws.Inference.Preset.Name = llama
		ws.Inference.Preset.PresetOptions.ModelAccessSecret = "hf-token"
	})
	s.expect("llama", "Ready=False CreateContainerConfigError", `InferenceReady=False CreateContainerConfigError: secret "hf-token" not found`)
	s.token()
	s.ready("llama")
	s.chat("llama", llama)
}

// testPoolRepair: what somebody deletes or edits by hand is reported, and repaired long before Flux looks again.
func testPoolRepair(t *testing.T) {
	s := newScene(t, shared, nil)
	s.workspace("phi")
	ws := s.ready("phi")
	release := &helmv2.HelmRelease{}
	s.must(release, ws.Status.InferencePool.Name)
	s.Expect(release.Spec.Interval.Duration).To(gomega.BeNumerically(">", 5*soon))

	picker := &appsv1.Deployment{}
	s.must(picker, ws.Status.InferencePool.EPPService)
	s.Expect(s.Delete(s.ctx, picker)).To(gomega.Succeed())
	s.wellAgain(ws, 1)
	s.Expect(s.record.history("phi", v1beta1.ConditionInferencePoolReady)).To(gomega.ContainElement("False EndpointPickerNotAvailable"))

	pool := &inferencev1.InferencePool{}
	s.must(pool, ws.Status.InferencePool.Name)
	s.edit(pool, func() {
		pool.Spec.Selector.MatchLabels[v1beta1.LabelWorkspace] = "another"
		pool.Spec.TargetPorts[0].Number = 80
	})
	s.wellAgain(ws, 2)

	// Flux has nothing to say about what its chart does not set.
	s.must(pool, pool.Name)
	s.edit(pool, func() { pool.Spec.Selector.MatchLabels["nobody"] = "has-this" })
	s.expect("phi", "InferencePoolReady=False SelectorDoesNotMatch: delete InferencePool phi-inferencepool, and it is made again")
	s.Expect(s.Delete(s.ctx, pool)).To(gomega.Succeed())
	s.wellAgain(ws, 3)
	s.Expect(s.record.statuses("phi", v1beta1.ConditionInferenceReady)).To(gomega.Equal([]string{"False", "True"}))
}

// wellAgain waits until the pool was reported False so many times since it was first True, and is True and right again.
func (s *scene) wellAgain(ws *v1beta1.Workspace, falls int) {
	s.t.Helper()
	want := []string{"False", "True"}
	for range falls {
		want = append(want, "False", "True")
	}
	s.within(soon, func() error {
		if diff := cmp.Diff(want, s.record.statuses(ws.Name, v1beta1.ConditionInferencePoolReady)); diff != "" {
			return fmt.Errorf("InferencePoolReady (-want +got):\n%s", diff)
		}
		return nil
	})
	s.expectWithin(soon, ws.Name, "Ready=True Ready", "InferencePoolReady=True PoolReady")
	s.Expect(names(s.selected(ws))).To(gomega.Equal(names(s.modelPods(ws.Name))))
	s.endpoints(ws, len(s.modelPods(ws.Name)))
}

// TestWorkspaceImages is an operator whose configuration names images that no registry has.
func TestWorkspaceImages(t *testing.T) {
	shared.startOperator(t, gateOn+"modelServer: {version: v0.0.0-none}\nendpointPicker: {version: v0.0.0-none}\n")
	s := newScene(t, shared, nil)
	before := s.empty()
	ws := s.workspace("phi")
	s.expect("phi", "Ready=False ImagePullBackOff",
		"InferenceReady=False ImagePullBackOff: docker.io/vllm/vllm-openai:v0.0.0-none",
		"InferencePoolReady=False ImagePullBackOff: endpoint picker: image registry.k8s.io/gateway-api-inference-extension/epp:v0.0.0-none")
	s.Expect(s.Delete(s.ctx, ws)).To(gomega.Succeed())
	s.tidy(before)
}

// TestWorkspaceCrash is an operator whose model servers crash, with a chart version that the registry does not have.
func TestWorkspaceCrash(t *testing.T) {
	shared.startOperator(t, withChart("v1.3.1")+"modelServer: {env: [{name: MODEL_SERVER_CRASH_AFTER, value: 1s}]}\n")
	s := newScene(t, shared, nil)
	before := s.empty()
	ws := s.workspace("phi")
	s.expect("phi", "Ready=False CrashLoopBackOff",
		"InferenceReady=False CrashLoopBackOff: exit code 1: ",
		"InferencePoolReady=False OCIArtifactPullFailed: v1.3.1")

	// It says the same while the container starts and ends again.
	history := s.record.history("phi", v1beta1.ConditionReady)
	seen := s.restarts("phi")
	s.until(func() error {
		if now := s.restarts("phi"); now < seen+2 {
			return fmt.Errorf("%d restarts, want %d", now, seen+2)
		}
		return nil
	})
	s.Expect(s.record.history("phi", v1beta1.ConditionReady)).To(gomega.Equal(history))
	s.Expect(s.Delete(s.ctx, ws)).To(gomega.Succeed())
	s.tidy(before)
}

func (s *scene) restarts(workspace string) int32 {
	s.t.Helper()
	var sum int32
	for _, pod := range s.modelPods(workspace) {
		for _, container := range pod.Status.ContainerStatuses {
			sum += container.RestartCount
		}
	}
	return sum
}
