// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// ofIstiod says that an entry of an inventory is a ConfigMap that istiod puts into every namespace, in its own time.
func ofIstiod(entry string) bool {
	return strings.HasPrefix(entry, "configmaps/") && strings.HasPrefix(entry[strings.LastIndex(entry, "/")+1:], "istio-ca-")
}

// inventory is every object of the scene's namespace, of every kind that the cluster has. Events stay behind everything.
func (s *scene) inventory() []string {
	s.t.Helper()
	lists, err := s.kube.Discovery().ServerPreferredNamespacedResources()
	s.Expect(err).NotTo(gomega.HaveOccurred())
	all := []string{}
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "create"}}, lists) {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		s.Expect(err).NotTo(gomega.HaveOccurred())
		for _, resource := range list.APIResources {
			if resource.Kind == "Event" {
				continue
			}
			found, err := s.metadata.Resource(version.WithResource(resource.Name)).Namespace(s.namespace).List(s.ctx, metav1.ListOptions{})
			if errors.IsNotFound(err) {
				continue
			}
			s.Expect(err).NotTo(gomega.HaveOccurred())
			for _, item := range found.Items {
				all = append(all, resource.Name+"/"+item.Name)
			}
		}
	}
	slices.Sort(all)
	return slices.DeleteFunc(all, ofIstiod)
}

// empty is the inventory of the namespace when its defaults are there.
func (s *scene) empty() []string {
	s.t.Helper()
	s.until(func() error {
		if !s.get(&corev1.ServiceAccount{}, "default") || !s.get(&corev1.ConfigMap{}, "kube-root-ca.crt") {
			return fmt.Errorf("the namespace is new")
		}
		return nil
	})
	return s.inventory()
}

// tidy waits until the inventory is as it was before.
func (s *scene) tidy(before []string) {
	s.t.Helper()
	s.until(func() error {
		if diff := cmp.Diff(before, s.inventory()); diff != "" {
			return fmt.Errorf("left behind (-before +after):\n%s", diff)
		}
		return nil
	})
}

// kinds are those of an inventory, each once.
func kinds(inventory []string) []string {
	var all []string
	for _, entry := range inventory {
		kind, _, _ := strings.Cut(entry, "/")
		all = append(all, kind)
	}
	return slices.Compact(all)
}
