// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// target is one child of a Workspace, and an edit of a field that is ours.
type target struct {
	name   string
	object func() client.Object
	edit   func(client.Object)
}

func targets() map[string]target {
	return map[string]target{
		"Deployment": {"phi", func() client.Object { return &appsv1.Deployment{} }, func(o client.Object) {
			o.(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Image = "other"
		}},
		"StatefulSet": {"llama", func() client.Object { return &appsv1.StatefulSet{} }, func(o client.Object) {
			o.(*appsv1.StatefulSet).Spec.Replicas = new(int32(7))
		}},
		"Service": {"phi", func() client.Object { return &corev1.Service{} }, func(o client.Object) {
			o.(*corev1.Service).Spec.Ports[0].TargetPort = intstr.FromInt32(1)
		}},
		"headless Service": {"llama-headless", func() client.Object { return &corev1.Service{} }, func(o client.Object) {
			o.(*corev1.Service).Spec.PublishNotReadyAddresses = false
		}},
		"OCIRepository": {"phi-inferencepool", func() client.Object { return &sourcev1.OCIRepository{} }, func(o client.Object) {
			o.(*sourcev1.OCIRepository).Spec.Reference.Tag = "v0.0.0"
		}},
		"PodDisruptionBudget": {"phi-inferencepool-epp", func() client.Object { return &policyv1.PodDisruptionBudget{} }, func(o client.Object) {
			o.(*policyv1.PodDisruptionBudget).Spec.MaxUnavailable = new(intstr.FromInt32(0))
		}},
		"HelmRelease": {"phi-inferencepool", func() client.Object { return &helmv2.HelmRelease{} }, func(o client.Object) {
			o.(*helmv2.HelmRelease).Spec.Values.Raw = []byte(`{"inferenceExtension":{"failureMode":"FailClose"}}`)
		}},
	}
}

// TestDrift spoils each kind of child in each way.
func TestDrift(t *testing.T) {
	t.Parallel()
	for name, target := range targets() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, shared)
			s.workspace("phi")
			s.workspace("llama", multiNode)
			s.expect("phi", "InferencePoolReady=False PoolProgressing", "InferenceReady=False LoadingModel")
			s.expect("llama", "InferencePoolReady=False PoolProgressing", "InferenceReady=False LoadingModel")
			drift(s, target)
		})
	}
}

func drift(s *scene, target target) {
	s.t.Helper()
	s.record.lenient = true
	original := target.object()
	s.Expect(s.get(original, target.name)).To(gomega.BeTrue())
	for _, way := range []struct {
		name   string
		writes int
		spoil  func(client.Object)
	}{
		{"spec", 1, target.edit},
		{"label of the Workspace removed", 1, removeLabel(v1beta1.LabelWorkspace)},
		{"label of the operator removed", 1, removeLabel(v1beta1.LabelManagedBy)},
		{"label of the Workspace changed", 1, func(o client.Object) { o.GetLabels()[v1beta1.LabelWorkspace] = "other" }},
		{"owner removed", 1, func(o client.Object) { o.SetOwnerReferences(nil) }},
		{"annotation added", 0, func(o client.Object) { o.SetAnnotations(withKey(o.GetAnnotations(), "example.com/note", "a")) }},
		{"label added", 0, func(o client.Object) { o.SetLabels(withKey(o.GetLabels(), "example.com/note", "a")) }},
	} {
		s.step(way.name)
		mark := s.mark(s.t)
		spoiled := target.object()
		s.Expect(s.get(spoiled, target.name)).To(gomega.BeTrue())
		s.edit(spoiled, func() { way.spoil(spoiled) })
		s.repaired(target, original, way.name)
		s.writesStay(target, mark, way.writes, way.name)
	}
	s.step("deleted")
	mark := s.mark(s.t)
	s.Expect(s.Delete(s.t.Context(), original, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(gomega.Succeed())
	s.repaired(target, original, "deleted")
	s.writesStay(target, mark, 1, "deleted")
}

func removeLabel(name string) func(client.Object) {
	return func(o client.Object) {
		labels := o.GetLabels()
		delete(labels, name)
		o.SetLabels(labels)
	}
}

func withKey(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	return m
}

// repaired waits until the object has spec, labels and owner of the original.
func (s *scene) repaired(target target, original client.Object, way string) {
	s.t.Helper()
	want := owned(s, original)
	s.until(func() error {
		have := target.object()
		if !s.get(have, target.name) {
			return fmt.Errorf("%s: %s is gone", way, target.name)
		}
		if diff := cmp.Diff(want, owned(s, have)); diff != "" {
			return fmt.Errorf("%s (-want +have):\n%s", way, diff)
		}
		return nil
	})
}

// owned is what the operator wrote in an object.
func owned(s *scene, obj client.Object) map[string]any {
	s.t.Helper()
	labels := map[string]string{}
	for _, name := range []string{v1beta1.LabelWorkspace, v1beta1.LabelManagedBy} {
		labels[name] = obj.GetLabels()[name]
	}
	var owner types.UID
	if ref := metav1.GetControllerOf(obj); ref != nil {
		owner = ref.UID
	}
	have := map[string]any{"labels": labels, "owner": owner}
	switch o := obj.(type) {
	case *appsv1.Deployment:
		have["spec"] = o.Spec
	case *appsv1.StatefulSet:
		have["spec"] = o.Spec
	case *corev1.Service:
		// The API server gives it another address when it is made anew.
		have["spec"] = []any{o.Spec.Ports, o.Spec.Selector, o.Spec.PublishNotReadyAddresses}
	case *sourcev1.OCIRepository:
		have["spec"] = o.Spec
	case *helmv2.HelmRelease:
		have["spec"] = o.Spec
	case *policyv1.PodDisruptionBudget:
		have["spec"] = o.Spec
	}
	return have
}

// writesStay proves that the operator wrote the object so many times and does not do so again. A write that is refused
// because the object is there is how the operator learns of an object that has lost the label by which it is cached.
func (s *scene) writesStay(target target, mark int64, count int, way string) {
	s.t.Helper()
	object := target.object()
	object.SetName(target.name)
	match := s.writes(object)
	written := func() []string { return s.operatorRequests(s.t, mark, match) }
	// The log may be a moment behind the object.
	s.Eventually(written).WithTimeout(patience).WithPolling(interval).Should(gomega.HaveLen(count), way)
	s.Consistently(written).WithTimeout(quiet).WithPolling(10*interval).Should(gomega.HaveLen(count), way)
}

// TestSuspended: what somebody suspended stays so, and is told.
func TestSuspended(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.node("a", 1)
	s.workspace("phi")
	s.ready("phi")
	mark := s.mark(t)
	release := s.release("phi")
	s.step("suspended")
	s.edit(release, func() { release.Spec.Suspend = true })
	s.expect("phi", "InferencePoolReady=True Suspended: helmrelease phi-inferencepool is suspended", "Ready=True Ready")
	s.writesStay(targets()["HelmRelease"], mark, 0, "suspended")
	s.Expect(s.release("phi").Spec.Suspend).To(gomega.BeTrue())
	s.step("resumed")
	release = s.release("phi")
	s.edit(release, func() { release.Spec.Suspend = false })
	s.expect("phi", "InferencePoolReady=False PoolProgressing")
	s.step("Flux has seen it")
	release = s.release("phi")
	s.status(release, func() { release.Status.ObservedGeneration = release.Generation })
	s.releaseReady("phi", metav1.ConditionTrue, "UpgradeSucceeded", "Helm upgrade succeeded")
	s.expect("phi", "InferencePoolReady=True PoolReady")
}
