// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// send applies content. The answer is decoded into an object of the same Go type: as one without, it would take several
// times the memory.
func (a *Applier) send(ctx context.Context, content, admitted client.Object, opts ...client.PatchOption) error {
	patch, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", keyOf(content), err)
	}
	opts = append(opts, client.ForceOwnership, client.FieldOwner(a.manager))
	if err := a.client.Patch(ctx, admitted, client.RawPatch(types.ApplyPatchType, patch), opts...); err != nil {
		return fmt.Errorf("applying %s: %w", keyOf(content), err)
	}
	return nil
}

// copyOf is a copy of obj whose version and UID can be set. Of a Go type only the outermost struct is copied.
func copyOf(obj client.Object) client.Object {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return u.DeepCopy() // all that it has is a map, which a copy of the struct would share
	}
	out := reflect.New(reflect.TypeOf(obj).Elem())
	out.Elem().Set(reflect.ValueOf(obj).Elem())
	return out.Interface().(client.Object)
}

// emptyLike is an object of the same type and name, for what the API server answers.
func emptyLike(desired client.Object) client.Object {
	out := reflect.New(reflect.TypeOf(desired).Elem()).Interface().(client.Object)
	out.GetObjectKind().SetGroupVersionKind(desired.GetObjectKind().GroupVersionKind())
	out.SetNamespace(desired.GetNamespace())
	out.SetName(desired.GetName())
	return out
}

// replace writes an object that cannot be as wanted beside what somebody else put into its lists: a Service whose port got
// another number would have two of one name. Lists are replaced whole, and then applied as ever. Otherwise the error stays.
func (a *Applier) replace(ctx context.Context, content, admitted client.Object, refused error) error {
	patch, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", keyOf(content), err)
	}
	if err := a.client.Patch(ctx, admitted, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(a.manager+"-repair")); err != nil {
		return errors.Join(refused, fmt.Errorf("replacing %s: %w", keyOf(content), err))
	}
	return a.send(ctx, content, admitted)
}

// takeBack writes an object that exists although the cache does not hold it, if it is ours: somebody removed the label
// that the cache selects by, or the cache is late. Otherwise the error says whose it is.
func (a *Applier) takeBack(ctx context.Context, content, admitted client.Object, opts ...client.PatchOption) error {
	kind := content.GetObjectKind().GroupVersionKind()
	found, err := a.Look(ctx, kind, client.ObjectKeyFromObject(content))
	if err != nil {
		return err
	}
	if !a.isOurs(found, content) {
		return &TakenError{
			Kind: kind.Kind, Namespace: content.GetNamespace(), Name: content.GetName(),
			Owner: ownerName(found),
		}
	}
	content.SetResourceVersion("")
	content.SetUID(found.UID)
	return a.send(ctx, content, admitted, opts...)
}

// Look returns the metadata of an object that the cache does not hold. Secrets may not be read, but written: of these, a
// dry run of a patch that changes nothing answers the same question.
func (a *Applier) Look(ctx context.Context, gvk schema.GroupVersionKind, key types.NamespacedName) (*metav1.PartialObjectMetadata, error) {
	found := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	found.SetGroupVersionKind(gvk)
	var err error
	if gvk == corev1.SchemeGroupVersion.WithKind("Secret") {
		err = a.client.Patch(ctx, found, client.RawPatch(types.MergePatchType, []byte("{}")), client.DryRunAll)
	} else {
		err = a.live.Get(ctx, key, found)
	}
	if apierrors.IsInvalid(err) {
		// An admission policy lets nobody touch it who has not made it.
		return nil, &TakenError{Kind: gvk.Kind, Namespace: key.Namespace, Name: key.Name, Owner: "somebody else"}
	}
	if err != nil {
		return nil, fmt.Errorf("looking who has the name %s %s: %w", gvk.Kind, key, err)
	}
	return found, nil
}

// isOurs says that the object is controlled by the owner that we would give it, or that we wrote it and somebody took
// its owner away.
func (a *Applier) isOurs(found *metav1.PartialObjectMetadata, wanted metav1.Object) bool {
	owner, ours := metav1.GetControllerOf(found), metav1.GetControllerOf(wanted)
	if owner != nil {
		return ours != nil && owner.UID == ours.UID
	}
	return ownedFields(found.ManagedFields, a.manager) != nil
}

func ownerName(o metav1.Object) string {
	if owner := metav1.GetControllerOf(o); owner != nil {
		return owner.Kind + "/" + owner.Name
	}
	for _, label := range []string{"app.kubernetes.io/managed-by", "app.kubernetes.io/instance"} {
		if value := o.GetLabels()[label]; value != "" {
			return value
		}
	}
	if fields := o.GetManagedFields(); len(fields) > 0 {
		return "whoever made it with " + fields[0].Manager
	}
	return "somebody else"
}
