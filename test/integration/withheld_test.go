// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"testing"
	"time"

	"github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// soon is how long a status may lag behind what is known, whatever is under way: some seconds, on a busy machine.
const soon = 30 * time.Second

// TestStatusWhileFought: somebody changes a child as often as the operator repairs it. What else happens is told in time.
func TestStatusWhileFought(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.record.lenient = true
	s.node("a", 1)
	s.workspace("phi")
	s.ready("phi")
	s.report("phi", 1, waiting("ImagePullBackOff", "manifest unknown", nil))
	s.fought("phi", "InferenceReady=False ImagePullBackOff")
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.namespace + "-a"}}
	s.Expect(s.Delete(s.t.Context(), node)).To(gomega.Succeed())
	s.fought("phi", "ResourceReady=False InsufficientNodes", "Ready=False InsufficientNodes")
}

// fought changes a Deployment each time before it looks, until the conditions of its Workspace are as told.
func (s *scene) fought(name string, conditions ...string) {
	s.t.Helper()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace}}
	// A field that is the operator's, and that moves no pod.
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"revisionHistoryLimit":9}}`))
	s.within(soon, func() error {
		if err := s.Patch(s.t.Context(), d, patch); err != nil {
			return err
		}
		for _, condition := range conditions {
			if err := compare(s.workspaceNow(name), condition); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestStatusWithoutEvent: what is written does not come back through the cache, since a policy takes away the label by
// which it is known.
func TestStatusWithoutEvent(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.node("a", 1)
	policy := s.labelsLost()
	s.workspace("phi")
	s.expectWithin(soon, "phi", `InferenceReady=False SelectorDoesNotMatch: Deployment phi is admitted with label kaito.sh/workspace="" instead of "phi"`,
		"Ready=False SelectorDoesNotMatch", "ResourceReady=True NodesReady")
	s.step("the policy is gone")
	s.Expect(s.Delete(s.t.Context(), policy)).To(gomega.Succeed())
	s.expectWithin(takenPatience, "phi", "InferenceReady=False LoadingModel")
	s.ready("phi")
}

// labelsLost has the API server remove our label from Deployments, and from nothing that they make.
func (s *scene) labelsLost() client.Object {
	s.t.Helper()
	policy := &admissionregistrationv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: s.namespace},
		Spec: admissionregistrationv1.MutatingAdmissionPolicySpec{
			MatchConstraints:   s.deployments(admissionregistrationv1.OperationAll),
			FailurePolicy:      new(admissionregistrationv1.Fail),
			ReinvocationPolicy: admissionregistrationv1.NeverReinvocationPolicy,
			MatchConditions:    []admissionregistrationv1.MatchCondition{{Name: "labelled", Expression: "has(object.metadata.labels) && '" + v1beta1.LabelWorkspace + "' in object.metadata.labels"}},
			Mutations: []admissionregistrationv1.Mutation{{PatchType: admissionregistrationv1.PatchTypeJSONPatch, JSONPatch: &admissionregistrationv1.JSONPatch{
				Expression: `[JSONPatch{op: "remove", path: "/metadata/labels/" + jsonpatch.escapeKey("` + v1beta1.LabelWorkspace + `")}]`,
			}}},
		},
	}
	s.create(policy)
	binding := &admissionregistrationv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: s.namespace},
		Spec:       admissionregistrationv1.MutatingAdmissionPolicyBindingSpec{PolicyName: policy.Name},
	}
	s.create(binding)
	s.t.Cleanup(func() {
		_ = s.Delete(s.cleanup(), policy)
		_ = s.Delete(s.cleanup(), binding)
	})
	s.until(func() error {
		labels := map[string]string{v1beta1.LabelWorkspace: "probe"}
		probe := &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: "probe", Namespace: s.namespace, Labels: labels},
			Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
			}},
		}
		if err := s.Create(s.t.Context(), probe, client.DryRunAll); err != nil {
			return err
		}
		if len(probe.Labels) > 0 {
			return errors.New("the policy is not in force")
		}
		return nil
	})
	return binding
}
