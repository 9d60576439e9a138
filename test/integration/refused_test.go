// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// TestRefusedRevision: a policy refuses a new revision of what serves. The one before serves on, and its pool with it.
func TestRefusedRevision(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*v1beta1.Workspace){
		"preset": func(*v1beta1.Workspace) {},
		"template": func(ws *v1beta1.Workspace) {
			ws.Inference = &v1beta1.InferenceSpec{Template: &corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "c", Image: "i", Ports: []corev1.ContainerPort{{ContainerPort: 5000}}}},
			}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusedRevision(newScene(t, shared), change)
		})
	}
}

func refusedRevision(s *scene, change func(*v1beta1.Workspace)) {
	s.t.Helper()
	s.node("a", 2)
	s.workspace("phi", change)
	s.ready("phi")
	pool := len(s.record.history("phi", v1beta1.ConditionInferencePoolReady))
	counts := len(s.record.history("phi", readyReplicas))
	policy := s.frozenPods()
	s.step("a new revision is asked for")
	ws := s.workspaceNow("phi")
	s.edit(ws, func() {
		if ws.Inference.Template != nil {
			// Also the pool would change, if the pods did.
			ws.Inference.Template.Spec.Containers[0].Ports[0].ContainerPort = 8000
			return
		}
		ws.Inference.Preset.PresetOptions.ModelAccessSecret = "another"
	})
	s.expect("phi", "InferenceReady=False WorkloadRejected: pods are frozen; what served before goes on serving",
		"InferencePoolReady=True PoolReady", "Ready=False WorkloadRejected", "ResourceReady=True NodesReady")
	s.step("the policy is gone")
	s.Expect(s.Delete(s.t.Context(), policy)).To(gomega.Succeed())
	s.expectWithin(takenPatience, "phi", "InferenceReady=False RolloutInProgress")
	if ws.Inference.Template == nil {
		// From the first revision to the last the pool worked, and a pod served.
		if diff := cmp.Diff([]string{"True PoolReady"}, s.record.history("phi", v1beta1.ConditionInferencePoolReady)[pool-1:]); diff != "" {
			s.t.Errorf("InferencePoolReady (-want +have):\n%s", diff)
		}
	}
	s.serve("phi")
	s.Expect(s.record.history("phi", readyReplicas)[counts-1:]).NotTo(gomega.ContainElement("0"))
}

// frozenPods has the API server refuse changes of the pods of the scene's Deployments.
func (s *scene) frozenPods() client.Object {
	s.t.Helper()
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: s.namespace},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: s.deployments(admissionregistrationv1.Update),
			Validations:      []admissionregistrationv1.Validation{{Expression: "object.spec.template == oldObject.spec.template", Message: "pods are frozen"}},
		},
	}
	s.create(policy)
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: s.namespace},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: policy.Name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}
	s.create(binding)
	s.t.Cleanup(func() {
		_ = s.Delete(s.cleanup(), policy)
		_ = s.Delete(s.cleanup(), binding)
	})
	d := &appsv1.Deployment{}
	s.Expect(s.get(d, "phi")).To(gomega.BeTrue())
	s.until(func() error {
		edited := d.DeepCopy()
		edited.Spec.Template.Spec.Containers[0].Image = "other"
		if s.Patch(s.t.Context(), edited, client.MergeFrom(d), client.DryRunAll) == nil {
			return errors.New("the policy is not in force")
		}
		return nil
	})
	return binding
}

// deployments are those of the scene, for a policy.
func (s *scene) deployments(operation admissionregistrationv1.OperationType) *admissionregistrationv1.MatchResources {
	return &admissionregistrationv1.MatchResources{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: s.namespace}},
		ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{operation},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}},
		}}},
	}
}

// TestRefusedPodLater: a StatefulSet does not say that its pods are refused.
func TestRefusedPodLater(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	for _, node := range []string{"a", "b", "c"} {
		s.node(node, 1)
	}
	s.workspace("llama", multiNode)
	s.ready("llama")
	pool := s.record.history("llama", v1beta1.ConditionInferencePoolReady)
	quota := s.quota("none", "pods", "0")
	s.step("a pod is lost, and must not be made again")
	s.Expect(s.Delete(s.t.Context(), s.pods(v1beta1.LabelWorkspace, "llama")[1], client.GracePeriodSeconds(0))).To(gomega.Succeed())
	s.expect("llama", "InferenceReady=False WorkloadRejected: exceeded quota: none", "InferencePoolReady=True PoolReady", "Ready=False WorkloadRejected")
	s.step("the quota is raised")
	s.edit(quota, func() { quota.Spec.Hard["pods"] = resource.MustParse("10") })
	s.expectWithin(takenPatience, "llama", "InferenceReady=False LoadingModel")
	s.serve("llama")
	s.expect("llama", "Ready=True Ready")
	s.Expect(s.record.history("llama", v1beta1.ConditionInferencePoolReady)).To(gomega.Equal(pool))
}
