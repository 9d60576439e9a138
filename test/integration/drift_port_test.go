// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// TestDriftOfPort: ports of a Service are told apart by their number, so that ours comes back beside the one that somebody
// made of it, and two of one name are refused.
func TestDriftOfPort(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.node("a", 1)
	s.workspace("phi")
	s.expect("phi", "InferenceReady=False LoadingModel")
	original := &corev1.Service{}
	s.Expect(s.get(original, "phi")).To(gomega.BeTrue())
	for _, way := range []struct {
		name string
		edit func(*corev1.Service)
	}{
		{"another number", func(s *corev1.Service) { s.Spec.Ports[0].Port = 99 }},
		{"another number once more", func(s *corev1.Service) { s.Spec.Ports[0].Port = 98 }},
		{"another name", func(s *corev1.Service) { s.Spec.Ports[0].Name = "other" }},
	} {
		s.step(way.name)
		edited := &corev1.Service{}
		s.Expect(s.get(edited, "phi")).To(gomega.BeTrue())
		s.edit(edited, func() { way.edit(edited) })
		s.until(func() error {
			have := &corev1.Service{}
			s.get(have, "phi")
			if diff := cmp.Diff(original.Spec, have.Spec); diff != "" {
				return fmt.Errorf("%s (-want +have):\n%s", way.name, diff)
			}
			if !ownsPort(have) {
				return fmt.Errorf("%s: the operator does not own the port again", way.name)
			}
			return nil
		})
	}
	s.expect("phi", "InferenceReady=False LoadingModel", "Ready=False LoadingModel")
}

// ownsPort says that the operator's apply, the last of its requests, is through.
func ownsPort(service *corev1.Service) bool {
	for _, entry := range service.ManagedFields {
		if entry.Manager == v1beta1.ManagedBy && entry.Operation == metav1.ManagedFieldsOperationApply {
			return strings.Contains(string(entry.FieldsV1.GetRawBytes()), `"f:port"`)
		}
	}
	return false
}
