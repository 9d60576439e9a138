// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// llama is a gated model that takes two nodes of one T4 each.
const llama = "llama-3.1-8b-instruct"

func twoNodes(ws *v1beta1.Workspace) {
	ws.Resource.InstanceType = "Standard_NC4as_T4_v3"
	ws.Inference.Preset.Name = llama
	ws.Inference.Preset.PresetOptions.ModelAccessSecret = "hf-token"
}

// TestWorkspace is the operator as it is installed, with the feature gate on.
func TestWorkspace(t *testing.T) { //nolint:tparallel // one operator at a time works in a cluster
	shared.startOperator(t, gateOn)
	for name, test := range map[string]func(*testing.T){
		"Deployment":           testDeployment,
		"StatefulSet":          testStatefulSet,
		"Restricted":           testRestricted,
		"Adapters":             testAdapters,
		"AdapterNotServable":   testAdapterNotServable,
		"RollingUpdate":        testRollingUpdate,
		"PodQuota":             testPodQuota,
		"DeploymentQuota":      testDeploymentQuota,
		"Unschedulable":        testUnschedulable,
		"MissingSecret":        testMissingSecret,
		"PoolRepair":           testPoolRepair,
		"DeletedWhileReady":    testDeletedWhileReady,
		"DeletedWhileStarting": testDeletedWhileStarting,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// testDeployment: every pod of a model that fits one node serves.
func testDeployment(t *testing.T) {
	s := newScene(t, shared, nil)
	s.workspace("phi", twoReplicas)
	ws := s.ready("phi")
	s.Expect(ws.Status.Workload).To(gomega.Equal(&v1beta1.WorkloadStatus{Kind: "Deployment", Name: "phi"}))
	s.Expect(ws.Status.ReadyOfReplicas).To(gomega.Equal("2/2"))
	s.Expect(ws.Status.Models).To(gomega.Equal([]string{phi}))
	s.Expect(s.record.statuses("phi", v1beta1.ConditionReady)).To(gomega.Equal([]string{"False", "True"}))

	pods := s.modelPods("phi")
	s.Expect(pods).To(gomega.HaveLen(2))
	s.Expect(s.pickerPods("phi")).To(gomega.HaveLen(1))
	s.Expect(names(s.selected(ws))).To(gomega.ConsistOf(names(pods)), "the pool must select the model's pods and no other")
	s.endpoints(ws, 2)
	s.Expect(slices.Collect(maps.Keys(s.answering("phi", phi)))).To(gomega.ConsistOf(names(pods)))

	table, err := s.kubectl(s.ctx, "--namespace", s.namespace, "get", "workspaces", "--no-headers")
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(table).To(gomega.MatchRegexp(`^phi +phi-4-mini-instruct +Deployment +2/2 +True +Ready `))
}

// selected are the pods that the InferencePool in the cluster selects.
func (s *scene) selected(ws *v1beta1.Workspace) []corev1.Pod {
	s.t.Helper()
	pool := &inferencev1.InferencePool{}
	s.must(pool, ws.Status.InferencePool.Name)
	labels := map[string]string{}
	for key, value := range pool.Spec.Selector.MatchLabels {
		labels[string(key)] = string(value)
	}
	s.Expect(labels).NotTo(gomega.BeEmpty())
	s.Expect(pool.Spec.TargetPorts).To(gomega.Equal([]inferencev1.Port{{Number: 5000}}))
	return s.pods(labels)
}

// testStatefulSet: of a model over two nodes only pod 0 serves; a second replica is a second StatefulSet, and the two take
// turns when their configuration changes.
func testStatefulSet(t *testing.T) {
	s := newScene(t, shared, nil)
	s.token()
	s.config("max-num-seqs: 64")
	s.workspace("llama", twoNodes, func(ws *v1beta1.Workspace) { ws.Inference.Config = settings })
	ws := s.ready("llama")
	s.Expect(ws.Status.Workload).To(gomega.Equal(&v1beta1.WorkloadStatus{Kind: "StatefulSet", Name: "llama"}))
	s.Expect(ws.Status.TargetNodeCount).To(gomega.BeEquivalentTo(2))
	s.Expect(s.record.statuses("llama", v1beta1.ConditionReady)).To(gomega.Equal([]string{"False", "True"}))

	pods := s.modelPods("llama")
	s.Expect(names(pods)).To(gomega.ConsistOf("llama-0", "llama-1"))
	s.Expect(pods[0].Spec.NodeName).NotTo(gomega.Equal(pods[1].Spec.NodeName))
	s.Expect(names(s.selected(ws))).To(gomega.Equal([]string{"llama-0"}))
	s.endpoints(ws, 1)
	s.Expect(s.answering("llama", llama)).To(gomega.Equal(map[string]bool{"llama-0": true}), "the worker must get no requests")

	s.edit(ws, func() { ws.Inference.Replicas = new(int32(2)) })
	ws = s.ready("llama")
	s.Expect(ws.Status.ReadyOfReplicas).To(gomega.Equal("2/2"))
	sets := s.statefulSets()
	s.Expect(sets).To(gomega.HaveLen(2))
	leaders := []string{sets[0].Name + "-0", sets[1].Name + "-0"}
	s.Expect(names(s.selected(ws))).To(gomega.ConsistOf(leaders))
	s.endpoints(ws, 2)
	s.Expect(slices.Collect(maps.Keys(s.answering("llama", llama)))).To(gomega.ConsistOf(leaders))

	s.takeTurns(ws)
}

func (s *scene) statefulSets() []appsv1.StatefulSet {
	s.t.Helper()
	list := &appsv1.StatefulSetList{}
	s.Expect(s.List(s.ctx, list, client.InNamespace(s.namespace))).To(gomega.Succeed())
	return list.Items
}

// takeTurns changes the configuration: each replica restarts as a whole, so one of them must always serve.
func (s *scene) takeTurns(ws *v1beta1.Workspace) {
	s.t.Helper()
	requests := s.send(ws)
	before := map[string]string{}
	for _, set := range s.statefulSets() {
		before[set.Name] = set.Status.UpdateRevision
	}
	s.config("max-num-seqs: 32")
	s.until(func() error {
		for _, set := range s.statefulSets() {
			status := set.Status
			if status.UpdateRevision == before[set.Name] || status.UpdatedReplicas != 2 || status.ReadyReplicas != 2 {
				return fmt.Errorf("%s is not rolled out: %+v", set.Name, status)
			}
		}
		return nil
	})
	s.ready(ws.Name)
	requests.end()
	for _, pod := range s.modelPods(ws.Name) {
		s.Expect(pod.Spec.Containers[0].Args).To(gomega.ContainElement("--max-num-seqs=32"))
	}
}

// testRestricted: model and Endpoint Picker are admitted where Pod Security is strictest.
func testRestricted(t *testing.T) {
	s := newScene(t, shared, map[string]string{
		"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest",
	})
	s.token()
	s.workspace("phi")
	s.workspace("llama", twoNodes)
	s.ready("phi")
	s.ready("llama")
	s.chat("phi", phi)
	s.chat("llama", llama)
}
