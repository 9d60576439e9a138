// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// TestPodTrouble takes the pods of a Workspace through everything that a kubelet tells.
func TestPodTrouble(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.workspace("phi")
	s.expect("phi", "ResourceReady=False InsufficientNodes", "Ready=False InsufficientNodes", "Reconciling=True InsufficientNodes", "WorkspaceSucceeded=False InsufficientNodes")
	s.step("a node comes")
	s.node("a", 1)
	s.expect("phi", "ResourceReady=True NodesReady", "InferenceReady=False LoadingModel", "Ready=False LoadingModel")
	crash := &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", Message: "ValueError: no such model"}
	oom := &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}
	for _, step := range []struct {
		what   string
		status func(*corev1.Pod)
		want   string
	}{
		{"no node takes the pod", unschedulable, "Unschedulable: 3 Insufficient nvidia.com/gpu"},
		{"the model loads", loading, "LoadingModel"},
		{"no image", waiting("ErrImagePull", "manifest unknown", nil), "ImagePullBackOff: manifest unknown"},
		{"still no image", waiting("ImagePullBackOff", "Back-off pulling image \"x\": ErrImagePull: manifest unknown", nil), "ImagePullBackOff: manifest unknown"},
		{"a Secret is missing", waiting("CreateContainerConfigError", "secret \"hf-token\" not found", nil), "CreateContainerConfigError: hf-token"},
		{"the server ends", terminated(crash), "CrashLoopBackOff: no such model"},
		{"it waits", waiting("CrashLoopBackOff", "back-off 40s restarting failed container", crash), "CrashLoopBackOff: no such model"},
		{"it runs again", restarted(crash), "CrashLoopBackOff: no such model"},
		{"it needs too much memory", terminated(oom), "OOMKilled"},
		{"and waits", waiting("CrashLoopBackOff", "back-off 40s restarting failed container", oom), "OOMKilled"},
	} {
		s.step(step.what)
		s.report("phi", 1, step.status)
		s.expect("phi", "InferenceReady=False "+step.want, "Ready=False "+step.want, "Reconciling=True "+step.want)
	}
	want := []string{
		"False LoadingModel", "False Unschedulable", "False LoadingModel", "False ImagePullBackOff", "False CreateContainerConfigError",
		"False CrashLoopBackOff", "False OOMKilled",
	}
	s.Expect(s.record.history("phi", v1beta1.ConditionInferenceReady)).To(gomega.HaveExactElements(want))
	s.step("everything works")
	ws := s.ready("phi")
	s.Expect(ws.Status.WorkerNodes).To(gomega.Equal([]string{s.namespace + "-a"}))
	s.Expect(ws.Status.ReadyReplicas).To(gomega.Equal(int32(1)))
	s.Expect(ws.Status.Endpoint).To(gomega.Equal("http://phi." + s.namespace + ".svc"))
	s.step("a pod crashes later")
	s.report("phi", 1, terminated(crash))
	s.expect("phi", "Ready=False CrashLoopBackOff", "InferencePoolReady=True PoolReady")
	s.step("and recovers")
	s.serve("phi")
	s.expect("phi", "Ready=True Ready", "!Reconciling", "!Stalled", "WorkspaceSucceeded=True Ready")
	s.step("the node goes")
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.namespace + "-a"}}
	s.Expect(s.Delete(s.t.Context(), node)).To(gomega.Succeed())
	s.expect("phi", "ResourceReady=False InsufficientNodes", "Ready=False InsufficientNodes")
}

// TestMultiNode: a replica serves when all of its pods do.
func TestMultiNode(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	for _, node := range []string{"a", "b", "c"} {
		s.node(node, 1)
	}
	s.workspace("llama", multiNode)
	s.expect("llama", "ResourceReady=True NodesReady", "InferenceReady=False LoadingModel")
	s.report("llama", 3, loading)
	s.expect("llama", "InferenceReady=False LoadingModel")
	ws := s.ready("llama")
	s.Expect(ws.Status.TargetNodeCount).To(gomega.Equal(int32(3)))
	s.Expect(ws.Status.Workload).To(gomega.Equal(&v1beta1.WorkloadStatus{Kind: "StatefulSet", Name: "llama"}))
	s.step("a worker is lost")
	worker := s.pods(v1beta1.LabelWorkspace, "llama")[1]
	s.status(worker, func() { loading(worker) })
	s.expect("llama", "InferenceReady=False LoadingModel", "Ready=False LoadingModel")
	s.serve("llama")
	s.expect("llama", "Ready=True Ready")
}

func (s *scene) quota(name string, resourceName corev1.ResourceName, amount string) *corev1.ResourceQuota {
	s.t.Helper()
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{resourceName: resource.MustParse(amount)}},
	}
	s.create(quota)
	// Admission counts by the status.
	s.Eventually(func() int { s.get(quota, name); return len(quota.Status.Hard) }).WithTimeout(patience).Should(gomega.Equal(1))
	return quota
}

// TestQuotaOnWorkloads: what the API server refuses is not made, nor a pool without it.
func TestQuotaOnWorkloads(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.node("a", 1)
	quota := s.quota("none", "count/deployments.apps", "0")
	s.workspace("phi")
	const refusal = "WorkloadRejected: exceeded quota: none, requested: count/deployments.apps=1, used: count/deployments.apps=0, limited: count/deployments.apps=0"
	s.expect("phi", "InferenceReady=False "+refusal, "InferencePoolReady=False "+refusal[:len("WorkloadRejected")], "Ready=False WorkloadRejected", "Reconciling=True WorkloadRejected")
	s.Expect(s.written()).To(gomega.BeEmpty())
	s.step("the quota is raised")
	s.edit(quota, func() { quota.Spec.Hard["count/deployments.apps"] = resource.MustParse("10") })
	// Nothing tells that a quota changed: the workload is offered again after half a minute.
	s.expectWithin(takenPatience, "phi", "InferenceReady=False LoadingModel", "InferencePoolReady=False PoolProgressing")
	s.ready("phi")
}

// TestQuotaOnPods: the Deployment is admitted, its pods are not.
func TestQuotaOnPods(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.node("a", 1)
	s.node("b", 1)
	quota := s.quota("none", "pods", "0")
	s.workspace("phi")
	s.workspace("llama", multiNode)
	s.expect("phi", "InferenceReady=False WorkloadRejected: exceeded quota: none", "Ready=False WorkloadRejected")
	s.expect("llama", "InferenceReady=False WorkloadRejected: exceeded quota: none")
	s.step("the quota is raised")
	s.edit(quota, func() { quota.Spec.Hard["pods"] = resource.MustParse("10") })
	s.expectWithin(takenPatience, "llama", "InferenceReady=False LoadingModel")
	s.step("the pods come")
	s.ready("phi")
}

// TestPodSecurity: a template that the namespace does not allow. The API server refuses pods and only warns of Deployments.
func TestPodSecurity(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.node("a", 1)
	namespace := &corev1.Namespace{}
	s.Expect(s.Get(s.t.Context(), client.ObjectKey{Name: s.namespace}, namespace)).To(gomega.Succeed())
	s.edit(namespace, func() { namespace.Labels["pod-security.kubernetes.io/enforce"] = "restricted" })
	s.workspace("root", func(ws *v1beta1.Workspace) {
		ws.Inference = &v1beta1.InferenceSpec{Template: &corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "c", Image: "i", Ports: []corev1.ContainerPort{{ContainerPort: 5000}}}},
		}}}
	})
	s.expect("root", "InferenceReady=False WorkloadRejected: violates PodSecurity")
	s.step("a model of the catalogue is restricted")
	s.workspace("phi")
	s.serve("phi")
}
