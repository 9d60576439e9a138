// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"fmt"
	"reflect"
	"testing"
	"unsafe"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// TestShared: objects of a Workspace hold their labels and their owner once, and no others.
func TestShared(t *testing.T) {
	t.Parallel()
	options := cacheOptions(t)
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

// TestSharedByFleet: what all Workspaces say is held once, and what only one says is not mixed up with it.
func TestSharedByFleet(t *testing.T) {
	t.Parallel()
	options := cacheOptions(t)
	release := func(version string) *helmv2.HelmRelease {
		return ingested(t, options.DefaultTransform, &helmv2.HelmRelease{Status: helmv2.HelmReleaseStatus{
			History: helmv2.Snapshots{{Status: "deployed", ChartVersion: version, OCIDigest: "sha256:1", Name: "unread"}},
		}})
	}
	repository := func(revision string) *sourcev1.OCIRepository {
		return ingested(t, options.DefaultTransform, &sourcev1.OCIRepository{Status: sourcev1.OCIRepositoryStatus{
			Artifact: &fluxmeta.Artifact{Revision: revision, Path: "unread"},
		}})
	}
	deployment := func(replicas int32) *appsv1.Deployment {
		return ingested(t, options.DefaultTransform, &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: &replicas}})
	}
	if a, b := release("v1.5.0"), release("v1.5.0"); a.Status.History[0] != b.Status.History[0] {
		t.Error("two releases of a version hold their history twice")
	}
	if a, b := repository("v1.5.0@sha256:1"), repository("v1.5.0@sha256:1"); a.Status.Artifact != b.Status.Artifact {
		t.Error("two repositories of a revision hold their artifact twice")
	}
	if a, b := deployment(2), deployment(2); a.Spec.Replicas != b.Spec.Replicas {
		t.Error("two Deployments of a size hold their replicas twice")
	}
	// More than are held, so that those of the beginning were let go.
	for i := range int32(5000) {
		name := fmt.Sprint(i)
		if got := release(name).Status.History; len(got) != 1 || got[0].ChartVersion != name || got[0].Status != "deployed" {
			t.Fatalf("release %s has the history %v", name, got)
		}
		if got := repository(name).Status.Artifact.Revision; got != name {
			t.Fatalf("repository %s has the revision %s", name, got)
		}
		if got := *deployment(i).Spec.Replicas; got != i {
			t.Fatalf("Deployment of %d replicas has %d", i, got)
		}
	}
	if got := release("v1.5.0").Status.History.Latest().ChartVersion; got != "v1.5.0" {
		t.Error(got)
	}
}

// TestSharedByWorkspaces: Workspaces hold what their specs have in common once.
func TestSharedByWorkspaces(t *testing.T) {
	t.Parallel()
	options := cacheOptions(t)
	var transform toolscache.TransformFunc
	for kind, by := range options.ByObject {
		if _, ok := kind.(*v1beta1.Workspace); ok {
			transform = by.Transform
		}
	}
	workspace := func(name string, labels map[string]string) *v1beta1.Workspace {
		return ingested(t, transform, &v1beta1.Workspace{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid of " + name), ResourceVersion: "7"},
			Resource:   v1beta1.ResourceSpec{Count: new(int32(3)), LabelSelector: &metav1.LabelSelector{MatchLabels: labels}},
			Status:     v1beta1.WorkspaceStatus{Endpoint: "http://" + name, Selector: "kaito.sh/workspace=" + name},
		})
	}
	a, b := workspace("a", map[string]string{"apps": "llm"}), workspace("b", map[string]string{"apps": "llm"})
	other, two := workspace("c", map[string]string{"apps": "other"}), map[string]string{"apps": "llm", "zone": "1"}
	if reflect.ValueOf(a.Resource.LabelSelector.MatchLabels).Pointer() != reflect.ValueOf(b.Resource.LabelSelector.MatchLabels).Pointer() {
		t.Error("two Workspaces hold one selector twice")
	}
	for ws, want := range map[*v1beta1.Workspace]map[string]string{a: {"apps": "llm"}, other: {"apps": "other"}, workspace("d", two): two} {
		if diff := cmp.Diff(want, ws.Resource.LabelSelector.MatchLabels); diff != "" {
			t.Errorf("%s: %s", ws.Name, diff)
		}
	}
	if a.Resource.Count != b.Resource.Count || *a.Resource.Count != 3 {
		t.Error("two Workspaces hold one count twice")
	}
	want := []string{"a", "uid of a", "7", "http://a", "kaito.sh/workspace=a"}
	got := []string{a.Name, string(a.UID), a.ResourceVersion, a.Status.Endpoint, a.Status.Selector}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i := range got[1:] {
		if follows := unsafe.StringData(got[i+1]) == (*byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(got[i])), len(got[i]))); !follows {
			t.Errorf("%q is not in one piece with %q", got[i+1], got[i])
		}
	}
}

func ingested[T client.Object](t *testing.T, transform toolscache.TransformFunc, obj T) T {
	t.Helper()
	out, err := transform(obj)
	if err != nil {
		t.Fatal(err)
	}
	return out.(T)
}
