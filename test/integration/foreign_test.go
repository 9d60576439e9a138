// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// takenPatience is how long a name that has become free may go unnoticed: nobody watches what is not ours, so it is
// looked at again each minute.
const takenPatience = 75 * time.Second

// stranger is an object of somebody else's under a name that a Workspace needs.
type stranger struct {
	object    client.Object
	change    func(*v1beta1.Workspace)
	condition string
}

func strangers() map[string]stranger {
	pod := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "other"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "other"}}},
	}
	selector := &metav1.LabelSelector{MatchLabels: pod.Labels}
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
	plain := func(*v1beta1.Workspace) {}
	service := corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 9}}, Selector: pod.Labels}
	return map[string]stranger{
		"Deployment": {
			&appsv1.Deployment{ObjectMeta: named("model"), Spec: appsv1.DeploymentSpec{Selector: selector, Template: pod}}, plain,
			"InferenceReady=False NameTaken: Deployment model exists and belongs to ConfigMap/search",
		},
		"StatefulSet": {
			&appsv1.StatefulSet{ObjectMeta: named("model"), Spec: appsv1.StatefulSetSpec{Selector: selector, Template: pod}}, multiNode,
			"InferenceReady=False NameTaken: StatefulSet model exists and belongs to ConfigMap/search",
		},
		"Service": {
			&corev1.Service{ObjectMeta: named("model"), Spec: service}, plain,
			"InferenceReady=False NameTaken: Service model exists and belongs to ConfigMap/search",
		},
		"headless Service": {
			&corev1.Service{ObjectMeta: named("model-headless"), Spec: service}, multiNode,
			"InferenceReady=False NameTaken: Service model-headless exists and belongs to ConfigMap/search",
		},
		"OCIRepository": {
			&sourcev1.OCIRepository{ObjectMeta: named("model-inferencepool"), Spec: sourcev1.OCIRepositorySpec{URL: "oci://example.com/other"}}, plain,
			"InferencePoolReady=False NameTaken: OCIRepository model-inferencepool exists and belongs to ConfigMap/search",
		},
		"PodDisruptionBudget": {
			&policyv1.PodDisruptionBudget{ObjectMeta: named("model-inferencepool-epp"), Spec: policyv1.PodDisruptionBudgetSpec{
				MaxUnavailable: new(intstr.FromInt32(1)), Selector: selector,
			}}, plain,
			"InferencePoolReady=False NameTaken: PodDisruptionBudget model-inferencepool-epp exists and belongs to ConfigMap/search",
		},
		"HelmRelease": {
			&helmv2.HelmRelease{ObjectMeta: named("model-inferencepool"), Spec: helmv2.HelmReleaseSpec{
				ChartRef: &helmv2.CrossNamespaceSourceReference{Kind: "OCIRepository", Name: "other"},
			}}, plain,
			"InferencePoolReady=False NameTaken: HelmRelease model-inferencepool exists and belongs to ConfigMap/search",
		},
	}
}

func TestForeign(t *testing.T) {
	t.Parallel()
	for name, stranger := range strangers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			foreign(newScene(t, shared), stranger)
		})
	}
}

// foreign makes the object, then the Workspace that cannot have the name, then removes the object.
func foreign(s *scene, stranger stranger) {
	s.t.Helper()
	for _, node := range []string{"a", "b", "c"} {
		s.node(node, 1)
	}
	// The garbage collector removes what has an owner that does not exist.
	owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "search", Namespace: s.namespace}}
	s.create(owner)
	object := stranger.object
	object.SetNamespace(s.namespace)
	object.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID, Controller: new(true),
	}})
	s.create(object)
	mark := s.mark(s.t)
	ws := s.workspace("model", stranger.change)
	s.expect("model", stranger.condition, "!Stalled")
	if strings.HasPrefix(stranger.condition, v1beta1.ConditionInferencePoolReady) {
		s.serve("model")
		s.expect("model", "InferenceReady=True ReplicasReady", "Ready=False NameTaken")
	}
	s.Expect(s.operatorRequests(s.t, mark, s.writes(object))).To(gomega.BeEmpty(), "the object is left as it is")
	s.step("the name is free")
	s.Expect(s.Delete(s.t.Context(), object, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(gomega.Succeed())
	s.within(takenPatience, func() error {
		if !s.get(object, object.GetName()) || !metav1.IsControlledBy(object, ws) {
			return errors.New("the operator has not made its own")
		}
		return nil
	})
	s.ready("model")
}

// writes are requests that changed an object.
func (s *scene) writes(object client.Object) func(request) bool {
	s.t.Helper()
	gvk, err := apiutil.GVKForObject(object, s.Scheme())
	s.Expect(err).NotTo(gomega.HaveOccurred())
	mapping, err := s.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	return func(r request) bool {
		return r.isWrite() && !r.isDryRun() && r.Response.Code < http.StatusBadRequest &&
			r.ObjectRef.Resource == mapping.Resource.Resource && r.ObjectRef.Name == object.GetName() && r.ObjectRef.Namespace == s.namespace
	}
}
