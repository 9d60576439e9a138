// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/apply"
)

// TestDesiredChanges: what is no longer wanted is taken back.
func TestDesiredChanges(t *testing.T) {
	t.Parallel()
	c := newFamily(t)
	a, desired := c.applier(), c.one(presetFile, "Deployment")
	desired.GetLabels()["extra"] = "1"
	c.expect(apply.Created, a, desired, nil)
	cached := c.cached(desired)
	delete(desired.GetLabels(), "extra")
	c.expect(apply.Updated, a, desired, cached)
	if diff := cmp.Diff(desired.GetLabels(), c.live(desired).GetLabels()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	// The cache that still shows the first write is late, and says nothing.
	c.expect(apply.Pending, a, desired, cached)
	c.expect(apply.Unchanged, a, desired, c.cached(desired))
}

// TestNameTaken: an object that we did not make is neither changed nor adopted, and its owner is named.
func TestNameTaken(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]struct {
		change func(family, client.Object)
		owner  string
	}{
		"by hand": {func(family, client.Object) {}, "whoever made it with hand"},
		"by Helm": {func(_ family, o client.Object) {
			o.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "Helm"})
		}, "Helm"},
		"by controller": {func(c family, o client.Object) {
			o.SetOwnerReferences([]metav1.OwnerReference{owner(c.t, c.namespace, "other")})
		}, "ConfigMap/other"},
	} {
		for _, kind := range []string{"Deployment", "Service"} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				expectTaken(newFamily(t), kind, e.change, e.owner)
			})
		}
	}
}

// expectTaken makes a foreign object under the name of a rendered one and applies that.
func expectTaken(c family, kind string, change func(family, client.Object), owner string) {
	c.t.Helper()
	desired := c.one(presetFile, kind)
	foreign := desired.DeepCopyObject().(client.Object)
	foreign.SetOwnerReferences(nil)
	foreign.SetLabels(nil)
	change(c, foreign)
	if err := c.Create(c.t.Context(), foreign, client.FieldOwner("hand")); err != nil {
		c.t.Fatal(err)
	}
	_, err := c.applier().Apply(c.t.Context(), desired, nil)
	taken, ok := errors.AsType[*apply.TakenError](err)
	if !ok {
		c.t.Fatalf("got %v, want a TakenError", err)
	}
	want := &apply.TakenError{Kind: kind, Namespace: c.namespace, Name: desired.GetName(), Owner: owner}
	if diff := cmp.Diff(want, taken); diff != "" {
		c.t.Errorf("error (-want +got):\n%s", diff)
	}
	after := c.live(desired)
	if _, ok := after.(*appsv1.Deployment); ok {
		// Its controller writes the status and an annotation; the generation stands for the spec.
		if after.GetGeneration() != foreign.GetGeneration() || !maps.Equal(after.GetLabels(), foreign.GetLabels()) {
			c.t.Error("the foreign Deployment was changed")
		}
		return
	}
	after.GetObjectKind().SetGroupVersionKind(foreign.GetObjectKind().GroupVersionKind())
	if diff := cmp.Diff(foreign, after); diff != "" {
		c.t.Errorf("the foreign object was changed:\n%s", diff)
	}
}

// TestTakenBack: our own object, which the cache does not hold because the process is new or because somebody removed the
// label that the cache selects by, is not taken for foreign. One that another owner took is.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	for name, patch := range map[string]string{
		"untouched":         `{}`,
		"label removed":     `{"metadata":{"labels":null}}`,
		"owner removed":     `{"metadata":{"ownerReferences":null}}`,
		"label and content": `{"metadata":{"labels":null},"spec":{"selector":null}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newFamily(t)
			desired := c.one(presetFile, "Service")
			c.expect(apply.Created, c.applier(), desired, nil)
			before := c.cached(desired)
			c.edit(desired, types.MergePatchType, patch)
			c.expect(apply.Repaired, c.applier(), desired, nil)
			c.expect(apply.Unchanged, c.silent(), desired, c.cached(desired))
			if after := c.live(desired); after.GetUID() != before.GetUID() {
				t.Error("the object was made anew")
			}
		})
	}
	t.Run("another owner", func(t *testing.T) {
		t.Parallel()
		c := newFamily(t)
		desired := c.one(presetFile, "Service")
		c.expect(apply.Created, c.applier(), desired, nil)
		taken := desired.DeepCopyObject().(client.Object)
		taken.SetOwnerReferences([]metav1.OwnerReference{owner(t, c.namespace, "other")})
		c.expect(apply.Updated, c.applier(), taken, c.cached(desired))
		_, err := c.applier().Apply(t.Context(), desired, nil)
		if e, ok := errors.AsType[*apply.TakenError](err); !ok || e.Owner != "ConfigMap/other" {
			t.Errorf("got %v, want taken by ConfigMap/other", err)
		}
	})
}

// TestDeletedAndMadeAgain follows an object that somebody deletes.
func TestDeletedAndMadeAgain(t *testing.T) {
	t.Parallel()
	c := newFamily(t)
	a, desired := c.applier(), c.one(presetFile, "Service")
	c.expect(apply.Created, a, desired, nil)
	first := c.cached(desired)
	// Between our write and the cache's knowledge of it the object is not there either.
	c.expect(apply.Pending, a, desired, nil)
	if err := c.Delete(t.Context(), c.live(desired)); err != nil {
		t.Fatal(err)
	}
	// The cache is late: it still holds what is gone, and what is wanted changed meanwhile.
	changed := desired.DeepCopyObject().(client.Object)
	changed.GetLabels()["extra"] = "1"
	if _, err := a.Apply(t.Context(), changed, first); !apierrors.IsConflict(err) {
		t.Errorf("writing to what is gone: got %v, want a conflict", err)
	}
	a.Forget("Service", client.ObjectKeyFromObject(desired))
	c.expect(apply.Created, a, desired, nil)
	second := c.cached(desired)
	if first.GetUID() == second.GetUID() {
		t.Fatal("the object was not made again")
	}
	c.expect(apply.Unchanged, a, desired, second)

	// Pruning by what the cache held before leaves the new one alone.
	if err := a.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if got := c.live(desired).GetUID(); got != second.GetUID() {
		t.Errorf("uid %s, want %s", got, second.GetUID())
	}
	if err := a.Delete(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	// A second time, as a late cache would have it.
	if err := a.Delete(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(desired), second); !apierrors.IsNotFound(err) {
		t.Errorf("after deletion: got %v, want not found", err)
	}
}

// TestWebhookThatInsists: what a webhook changes on each write is not written again for ever, and does not hide an edit.
func TestWebhookThatInsists(t *testing.T) {
	t.Parallel()
	c := newFamily(t)
	desired := c.one(presetFile, "Deployment")
	writes := 0
	a := apply.New(interceptor.NewClient(c, interceptor.Funcs{
		Patch: func(ctx context.Context, server client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			writes++
			if err := server.Patch(ctx, obj, patch, opts...); err != nil {
				return err
			}
			c.edit(desired, types.JSONPatchType, `[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"mirror/vllm"}]`)
			return server.Get(ctx, client.ObjectKeyFromObject(desired), obj)
		},
	}), c, v1beta1.ManagedBy)
	c.expect(apply.Created, a, desired, nil)
	c.expect(apply.Unchanged, a, desired, c.cached(desired))
	c.edit(desired, types.MergePatchType, `{"spec":{"replicas":5}}`)
	c.expect(apply.Repaired, a, desired, c.cached(desired))
	for range 3 {
		c.expect(apply.Unchanged, a, desired, c.cached(desired))
	}
	if writes != 2 {
		t.Errorf("%d writes, want 2", writes)
	}
}

// TestDryRun: nothing is kept of it, and what comes back is what would have been admitted; a stranger is not looked at.
func TestDryRun(t *testing.T) {
	t.Parallel()
	c := newFamily(t)
	desired := c.one(presetFile, "Deployment")
	admitted, err := c.applier().DryRun(t.Context(), desired, nil)
	if err != nil {
		t.Fatal(err)
	}
	if admitted.GetUID() == "" {
		t.Error("the API server's answer is missing")
	}
	err = c.Get(t.Context(), client.ObjectKeyFromObject(desired), desired.DeepCopyObject().(client.Object))
	if !apierrors.IsNotFound(err) {
		t.Errorf("after the dry run: got %v, want not found", err)
	}
	foreign := desired.DeepCopyObject().(client.Object)
	foreign.SetOwnerReferences(nil)
	if err := c.Create(t.Context(), foreign, client.FieldOwner("hand")); err != nil {
		t.Fatal(err)
	}
	_, err = c.applier().DryRun(t.Context(), desired, nil)
	if _, ok := errors.AsType[*apply.TakenError](err); !ok {
		t.Errorf("dry run over a stranger: got %v, want a TakenError", err)
	}
}

// TestAnnotate: asking Flux for a look takes nothing over, so that the next reconcile finds nothing to do.
func TestAnnotate(t *testing.T) {
	t.Parallel()
	c := newFamily(t)
	a, desired := c.applier(), c.one(poolFile, "HelmRelease")
	c.expect(apply.Created, a, desired, nil)
	cached := c.cached(desired)
	untouched := cached.DeepCopyObject()
	if err := a.Annotate(t.Context(), cached, "reconcile.fluxcd.io/requestedAt", "now"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(untouched, cached); diff != "" {
		t.Errorf("the cached object was changed:\n%s", diff)
	}
	if got := c.live(desired).GetAnnotations()["reconcile.fluxcd.io/requestedAt"]; got != "now" {
		t.Errorf("annotation %q, want now", got)
	}
	c.expect(apply.Unchanged, a, desired, c.cached(desired))
}
