// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apply is the only writer of children: server-side apply under one field manager, dry runs, and deletion. It
// writes only what differs. To know that without a request, every cached object carries the digest of the fields that
// our field manager owns in it (see Ingest), which is compared with the digest of what is wanted.
package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// createOnly as resourceVersion makes a server-side apply fail with a conflict if the object exists: no object has
// version 1, and the API server ignores the version when there is none. So we never adopt what we did not make.
const createOnly = "1"

// Result says what Apply did.
type Result string

// The results of Apply.
const (
	// Unchanged: the object is as wanted, nothing was written.
	Unchanged Result = "Unchanged"
	// Pending: it was written a moment ago, and the cache does not show that yet.
	Pending Result = "Pending"
	// Created: the object did not exist.
	Created Result = "Created"
	// Updated: what is wanted changed.
	Updated Result = "Updated"
	// Repaired: what is wanted did not change, but somebody had edited the object.
	Repaired Result = "Repaired"
)

// TakenError says that an object of the wanted name exists and is not ours.
type TakenError struct {
	// Kind, Namespace and Name are the object's.
	Kind, Namespace, Name string
	// Owner names the object's controller, or whoever manages it, as far as known.
	Owner string
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("%s %s exists and belongs to %s", e.Kind, e.Name, e.Owner)
}

// LabelLostError says that an object was written, and admitted without a label of ours or with another value. The caches
// select by labels, and so do pools.
type LabelLostError struct {
	// Kind and Name are the object's; Label and Want what it should have, Have what it has.
	Kind, Name, Label, Want, Have string
}

func (e *LabelLostError) Error() string {
	return fmt.Sprintf("%s %s is admitted with label %s=%q instead of %q", e.Kind, e.Name, e.Label, e.Have, e.Want)
}

// Applier writes children.
type Applier struct {
	client client.Client
	// live reads past the cache, for objects that the cache does not hold because they are not ours.
	live    client.Reader
	manager string
	memory  memory
	digests *Digester
}

// New returns an Applier that writes with client under the field manager's name, and reads live where a name is taken.
func New(c client.Client, live client.Reader, manager string) *Applier {
	return &Applier{client: c, live: live, manager: manager, memory: memory{entries: map[string]entry{}}, digests: NewDigester(manager)}
}

// Apply makes the object on the server as desired, with at most one write. Cached is what the cache holds of it, nil if
// nothing. Errors: *TakenError if the name is taken; the API server's otherwise.
func (a *Applier) Apply(ctx context.Context, desired, cached client.Object) (Result, error) {
	want, err := a.digests.wanted(desired)
	if err != nil {
		return "", err
	}
	key := keyOf(desired)
	result := a.memory.compare(key, want, cached)
	if result == Unchanged || result == Pending {
		return result, nil
	}
	content, admitted := copyOf(desired), emptyLike(desired)
	if cached == nil {
		content.SetResourceVersion(createOnly)
	} else {
		content.SetUID(cached.GetUID())
	}
	err = a.send(ctx, content, admitted)
	if apierrors.IsConflict(err) && cached == nil {
		result = Repaired
		err = a.takeBack(ctx, content, admitted)
	}
	if apierrors.IsInvalid(err) && cached != nil {
		err = a.replace(ctx, content, admitted, err)
	}
	if err != nil {
		return "", err
	}
	if err := labelLost(desired, admitted); err != nil {
		return "", err
	}
	if cached != nil && cached.GetResourceVersion() == admitted.GetResourceVersion() {
		// It was as wanted already, so no event will tell of it.
		result = Unchanged
	}
	have, err := a.digests.Owned(admitted)
	if err != nil {
		return "", err
	}
	a.memory.remember(key, entry{want: want, have: have, version: admitted.GetResourceVersion(), uid: admitted.GetUID()})
	return result, nil
}

func labelLost(desired, admitted client.Object) error {
	labels := admitted.GetLabels()
	for _, name := range slices.Sorted(maps.Keys(desired.GetLabels())) {
		if want, have := desired.GetLabels()[name], labels[name]; have != want {
			return &LabelLostError{
				Kind: desired.GetObjectKind().GroupVersionKind().Kind, Name: desired.GetName(), Label: name, Want: want, Have: have,
			}
		}
	}
	return nil
}

// DryRun sends desired to the API server without persisting it and returns what was admitted: defaults filled in,
// changed by webhooks, refused by quota and policy as the real write would be. Cached is what the cache holds of the
// object, nil if nothing: like Apply, it never looks at what would become of an object that is not ours.
func (a *Applier) DryRun(ctx context.Context, desired, cached client.Object) (client.Object, error) {
	content, admitted := copyOf(desired), emptyLike(desired)
	if cached == nil {
		content.SetResourceVersion(createOnly)
	}
	err := a.send(ctx, content, admitted, client.DryRunAll)
	if apierrors.IsConflict(err) && cached == nil {
		err = a.takeBack(ctx, content, admitted, client.DryRunAll)
	}
	if err != nil {
		return nil, fmt.Errorf("dry run of %s: %w", keyOf(content), err)
	}
	return admitted, nil
}

// Delete removes exactly the object that the cache holds: one that was made anew under its name stays.
func (a *Applier) Delete(ctx context.Context, cached client.Object) error {
	uid := cached.GetUID()
	err := a.client.Delete(ctx, cached,
		client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("deleting %T %s: %w", cached, client.ObjectKeyFromObject(cached), err)
	}
	return nil
}

// Annotate sets one annotation on an object without taking ownership of anything else.
func (a *Applier) Annotate(ctx context.Context, cached client.Object, name, value string) error {
	patch := fmt.Appendf(nil, `{"metadata":{"uid":%q,"annotations":{%q:%q}}}`, cached.GetUID(), name, value)
	// A copy: the client writes the server's answer into what it is given, and this object belongs to the cache.
	obj := cached.DeepCopyObject().(client.Object)
	if err := a.client.Patch(ctx, obj, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(a.manager+"-repair")); err != nil {
		return fmt.Errorf("annotating %T %s: %w", cached, client.ObjectKeyFromObject(cached), err)
	}
	return nil
}

// Forget drops what is remembered of an object. To be called when a watch says that it was deleted.
func (a *Applier) Forget(kind string, key types.NamespacedName) {
	a.memory.forget(kind + " " + key.String())
}

// Wrote says that an object is as it was written last, and that this is still remembered.
func (a *Applier) Wrote(kind string, obj client.Object) bool {
	return a.memory.wrote(kind+" "+client.ObjectKeyFromObject(obj).String(), obj)
}

// Edited is to be told of updates that a watch saw. Of an object that this process has not written yet, the content before
// the first edit is remembered as if it had: that is how a repair is told from a change of what is wanted.
func (a *Applier) Edited(kind string, before, after client.Object) {
	was, is := NotedDigest(before), NotedDigest(after)
	if was == "" || was == is {
		return
	}
	a.memory.assume(kind+" "+client.ObjectKeyFromObject(before).String(), entry{
		want: was, have: was, version: before.GetResourceVersion(), uid: before.GetUID(), shown: true,
	})
}

func keyOf(obj client.Object) string {
	return obj.GetObjectKind().GroupVersionKind().Kind + " " + client.ObjectKeyFromObject(obj).String()
}
