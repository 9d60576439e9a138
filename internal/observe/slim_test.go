// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/observe"
)

// TestShared: objects of a Workspace hold their labels and their owner once, and no others.
func TestShared(t *testing.T) {
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
	trimmed := func(workspace, unread string) *corev1.Service {
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{
			Name: unread,
			Labels: map[string]string{
				v1beta1.LabelWorkspace: workspace, v1beta1.LabelManagedBy: v1beta1.ManagedBy, "unread": unread,
			},
			OwnerReferences: []metav1.OwnerReference{
				{Kind: "Other", Name: unread, UID: "u"}, {Kind: "Workspace", Name: workspace, UID: types.UID(workspace), Controller: new(true)},
			},
		}}
		if _, err := options.DefaultTransform(service); err != nil {
			t.Fatal(err)
		}
		return service
	}
	a, b, other := trimmed("phi", "a"), trimmed("phi", "b"), trimmed("llama", "a")
	if diff := cmp.Diff(map[string]string{v1beta1.LabelWorkspace: "phi", v1beta1.LabelManagedBy: v1beta1.ManagedBy}, a.Labels); diff != "" {
		t.Error(diff)
	}
	owner := []metav1.OwnerReference{{Kind: "Workspace", Name: "phi", UID: "phi", Controller: new(true)}}
	if diff := cmp.Diff(owner, a.OwnerReferences); diff != "" {
		t.Error(diff)
	}
	if reflect.ValueOf(a.Labels).Pointer() != reflect.ValueOf(b.Labels).Pointer() {
		t.Error("two objects of a Workspace hold their labels twice")
	}
	if &a.OwnerReferences[0] != &b.OwnerReferences[0] {
		t.Error("two objects of a Workspace hold their owner twice")
	}
	if cmp.Equal(a.Labels, other.Labels) || cmp.Equal(a.OwnerReferences, other.OwnerReferences) {
		t.Errorf("two Workspaces have the same labels or owner: %v, %v", other.Labels, other.OwnerReferences)
	}
}
