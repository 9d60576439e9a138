// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"bytes"
	"fmt"
	"reflect"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Digester takes digests of objects: of what is wanted, and of what one field manager owns in them.
type Digester struct {
	manager string
	parts   partTable
	// encoders are kept for the next one; nothing of an object stays in them.
	encoders sync.Pool
}

// NewDigester returns a Digester for the fields that manager owns by server-side apply.
func NewDigester(manager string) *Digester {
	return &Digester{manager: manager, parts: partTable{known: map[string]*part{}}, encoders: sync.Pool{New: newEncoder}}
}

// wanted is a digest over everything in obj that a field manager can own: all but identity, status and what the server
// fills in.
func (d *Digester) wanted(obj client.Object) (string, error) {
	e := d.encoder()
	defer d.release(e)
	e.object(e.plain(contentOf(obj)))
	return e.digest()
}

// Owned is the digest over the fields of obj that the manager owns, and their values now. It equals the digest of what was
// applied as long as nobody changed, took or removed one of them. It is empty when the manager owns nothing.
func (d *Digester) Owned(obj client.Object) (string, error) {
	fields := ownedFields(obj.GetManagedFields(), d.manager)
	if fields == nil {
		return "", nil
	}
	e := d.encoder()
	defer d.release(e)
	owned, err := d.parts.of(e.unnamed(fields, metav1.GetControllerOfNoCopy(obj)))
	if err != nil {
		return "", fmt.Errorf("decoding managed fields of %T %s: %w", obj, client.ObjectKeyFromObject(obj), err)
	}
	e.owned(e.plain(contentOf(obj)), owned)
	return e.digest()
}

func (d *Digester) encoder() *encoder { return d.encoders.Get().(*encoder) }

func (d *Digester) release(e *encoder) {
	e.reset()
	d.encoders.Put(e)
}

// Same says that two objects differ in nothing but their version.
func (d *Digester) Same(a, b client.Object) bool {
	e := d.encoder()
	defer d.release(e)
	e.unversioned(e.plain(contentOf(a)))
	middle := len(e.to)
	e.unversioned(e.plain(contentOf(b)))
	return len(e.errs) == 0 && bytes.Equal(e.to[:middle], e.to[middle:])
}

func contentOf(obj client.Object) reflect.Value {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return reflect.ValueOf(u.Object)
	}
	return reflect.ValueOf(obj)
}

func ownedFields(entries []metav1.ManagedFieldsEntry, manager string) []byte {
	for _, e := range entries {
		if e.Manager == manager && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == "" && e.FieldsV1 != nil {
			return e.FieldsV1.GetRawBytes()
		}
	}
	return nil
}
