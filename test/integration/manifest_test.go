// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// manifests are the objects of a YAML file.
func (s *scene) manifests(path string) []*unstructured.Unstructured {
	s.t.Helper()
	file, err := os.Open(path)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	defer func() { _ = file.Close() }()
	decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
	var objects []*unstructured.Unstructured
	for {
		u := &unstructured.Unstructured{}
		err := decoder.Decode(u)
		if errors.Is(err, io.EOF) {
			return objects
		}
		s.Expect(err).NotTo(gomega.HaveOccurred(), path)
		objects = append(objects, u)
	}
}

// applied creates the objects of a file, in the scene's namespace unless they name one, with the strictness of kubectl. It
// returns the names of its Workspaces.
func (s *scene) applied(path string) []string {
	s.t.Helper()
	var workspaces []string
	for _, u := range s.manifests(path) {
		if u.GetNamespace() == "" {
			u.SetNamespace(s.namespace)
		}
		s.Expect(s.Create(s.t.Context(), u, client.FieldValidation(metav1.FieldValidationStrict))).To(gomega.Succeed(), path)
		if u.GetNamespace() != s.namespace {
			s.t.Cleanup(func() { _ = s.Delete(s.cleanup(), u) })
		}
		if u.GetKind() == "Workspace" {
			workspaces = append(workspaces, u.GetName())
		}
	}
	return workspaces
}

// everything lists the objects of the scene's namespace as KIND/NAME, those that match: of every kind that there is,
// so that nothing is overlooked.
func (s *scene) everything(match func(metav1.Object) bool) []string {
	s.t.Helper()
	finder, err := discovery.NewDiscoveryClientForConfig(s.config)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	resources, err := discovery.ServerPreferredNamespacedResources(finder)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	found := []string{}
	for _, group := range resources {
		version, err := schema.ParseGroupVersion(group.GroupVersion)
		s.Expect(err).NotTo(gomega.HaveOccurred())
		for _, r := range group.APIResources {
			if !slices.Contains(r.Verbs, "list") || r.Kind == "Event" {
				continue
			}
			list := &metav1.PartialObjectMetadataList{}
			list.SetGroupVersionKind(version.WithKind(r.Kind + "List"))
			s.Expect(s.List(s.t.Context(), list, client.InNamespace(s.namespace))).To(gomega.Succeed(), r.Kind)
			for i := range list.Items {
				if match(&list.Items[i]) {
					found = append(found, r.Kind+"/"+list.Items[i].Name)
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

// written are the objects that the operator wrote.
func (s *scene) written() []string {
	s.t.Helper()
	return s.everything(func(obj metav1.Object) bool {
		return obj.GetNamespace() != "" && slices.ContainsFunc(obj.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool {
			return e.Manager == v1beta1.ManagedBy && e.Operation == metav1.ManagedFieldsOperationApply
		})
	})
}

// empty waits until nothing is left in the scene's namespace.
func (s *scene) empty() {
	s.t.Helper()
	// Slowly: each look lists every kind.
	s.Eventually(func() error {
		if left := s.everything(func(metav1.Object) bool { return true }); len(left) > 0 {
			return fmt.Errorf("left over: %s", strings.Join(left, ", "))
		}
		return nil
	}).WithTimeout(patience).WithPolling(10 * interval).Should(gomega.Succeed())
}
