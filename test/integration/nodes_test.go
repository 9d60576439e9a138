// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"testing"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// ownNode adds a Ready node of no cloud with GPUs of which only their labels tell.
func (s *scene) ownNode(name string, gpus int64, mebibytes string) *corev1.Node {
	s.t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.namespace + "-" + name, Labels: map[string]string{
		sceneLabel: s.namespace, "nvidia.com/gpu.memory": mebibytes, "nvidia.com/gpu.product": "NVIDIA-L4",
	}}}
	s.create(node)
	s.t.Cleanup(func() { _ = s.Delete(s.cleanup(), node) })
	s.status(node, func() {
		node.Status.Allocatable = corev1.ResourceList{gpu: *resource.NewQuantity(gpus, resource.DecimalSI)}
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	})
	return node
}

// TestOwnNodes takes a Workspace on nodes of the user's own through all that happens to nodes. Its pods stay as they are
// until the user asks for something else.
func TestOwnNodes(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	node := s.ownNode("a", 2, "23034")
	s.workspace("phi", func(ws *v1beta1.Workspace) { ws.Resource.InstanceType = "on-premises" })
	s.ready("phi")
	before := s.deployment("phi")
	s.Expect(before.Spec.Template.Spec.Containers[0].Resources.Limits).To(gomega.HaveKeyWithValue(gpu, resource.MustParse("2")))

	s.step("the device plugin restarts")
	s.status(node, func() { node.Status.Allocatable[gpu] = resource.MustParse("0") })
	s.expect("phi", "ResourceReady=False InsufficientNodes: without 2 nvidia.com/gpu: "+node.Name, "InferenceReady=True ReplicasReady", "Ready=False InsufficientNodes")
	s.step("and is there")
	s.status(node, func() { node.Status.Allocatable[gpu] = resource.MustParse("2") })
	s.expect("phi", "Ready=True Ready")

	s.step("a smaller node joins")
	small := s.ownNode("0", 1, "23034")
	s.until(func() error {
		if nodes := s.workspaceNow("phi").Status.WorkerNodes; len(nodes) != 2 {
			return errors.New("the new node is not seen")
		}
		return nil
	})
	s.expect("phi", "Ready=True Ready")

	s.step("all nodes go")
	s.Expect(s.Delete(t.Context(), node)).To(gomega.Succeed())
	s.Expect(s.Delete(t.Context(), small)).To(gomega.Succeed())
	s.expect("phi", "ResourceReady=False InsufficientNodes: (no node matches)", "InferenceReady=True ReplicasReady", "Reconciling=True InsufficientNodes", "!Stalled")
	after := s.deployment("phi")
	s.Expect(after.Generation).To(gomega.Equal(before.Generation), "no pod was rolled")
	s.Expect(after.Annotations[v1beta1.AnnotationPlannedFor]).To(gomega.Equal(before.Annotations[v1beta1.AnnotationPlannedFor]))

	s.step("other nodes are asked for")
	s.ownNode("b", 1, "46068")
	ws := s.workspaceNow("phi")
	s.edit(ws, func() { ws.Resource.PreferredNodes = []string{s.namespace + "-b"} })
	s.expect("phi", "ResourceReady=True NodesReady", "InferenceReady=False RolloutInProgress")
	s.Expect(s.deployment("phi").Spec.Template.Spec.Containers[0].Resources.Limits).To(gomega.HaveKeyWithValue(gpu, resource.MustParse("1")))
	s.serve("phi")
	s.expect("phi", "Ready=True Ready")
}

func (s *scene) deployment(name string) *appsv1.Deployment {
	s.t.Helper()
	d := &appsv1.Deployment{}
	s.Expect(s.get(d, name)).To(gomega.BeTrue())
	return d
}
