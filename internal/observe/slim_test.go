// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/observe"
)

// TestSharedLabels: objects with the same labels hold them once, and no others.
func TestSharedLabels(t *testing.T) {
	t.Parallel()
	options, err := observe.CacheOptions(func(trim func(client.Object)) toolscache.TransformFunc {
		return func(in any) (any, error) {
			trim(in.(client.Object))
			return in, nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	trimmed := func(workspace, unread string) map[string]string {
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: unread, Labels: map[string]string{
			v1beta1.LabelWorkspace: workspace, v1beta1.LabelManagedBy: v1beta1.ManagedBy, "unread": unread,
		}}}
		if _, err := options.DefaultTransform(service); err != nil {
			t.Fatal(err)
		}
		return service.Labels
	}
	a, b, other := trimmed("phi", "a"), trimmed("phi", "b"), trimmed("llama", "a")
	if diff := cmp.Diff(map[string]string{v1beta1.LabelWorkspace: "phi", v1beta1.LabelManagedBy: v1beta1.ManagedBy}, a); diff != "" {
		t.Error(diff)
	}
	if reflect.ValueOf(a).Pointer() != reflect.ValueOf(b).Pointer() {
		t.Error("two objects of a Workspace hold their labels twice")
	}
	if cmp.Equal(a, other) {
		t.Errorf("two Workspaces have the same labels: %v", other)
	}
}
