// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// desiredContent is what a server-side apply of obj sends: no status, no nulls, no fields that the server sets.
func desiredContent(obj client.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("converting %T %s: %w", obj, client.ObjectKeyFromObject(obj), err)
	}
	u := &unstructured.Unstructured{Object: dropNulls(content)}
	delete(u.Object, "status")
	for _, field := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	if u.GetKind() == "" || u.GetAPIVersion() == "" {
		return nil, fmt.Errorf("%T %s has no kind and apiVersion", obj, client.ObjectKeyFromObject(obj))
	}
	return u, nil
}

func dropNulls(m map[string]any) map[string]any {
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	for k, v := range m {
		m[k] = dropNullsIn(v)
	}
	return m
}

func dropNullsIn(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return dropNulls(v)
	case []any:
		for i := range v {
			v[i] = dropNullsIn(v[i])
		}
	}
	return v
}

// contentDigest is a digest over everything that a field manager can own: all but identity.
func contentDigest(content map[string]any) string {
	c := maps.Clone(content)
	delete(c, "apiVersion")
	delete(c, "kind")
	if meta, ok := c["metadata"].(map[string]any); ok {
		meta = maps.Clone(meta)
		delete(meta, "name")
		delete(meta, "namespace")
		c["metadata"] = meta
	}
	const most = 4096 // few children have more
	sum := sha256.Sum256(appendCanonical(make([]byte, 0, most), c))
	return hex.EncodeToString(sum[:12])
}

// appendCanonical writes a value as JSON has it, the same for equal values: keys are sorted, and a number is written alike
// whether it was decoded as a whole one or not. It takes a third of what encoding/json does for it.
func appendCanonical(to []byte, value any) []byte {
	switch v := value.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for key := range v {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		to = append(to, '{')
		for _, key := range keys {
			to = append(strconv.AppendQuote(to, key), ':')
			to = append(appendCanonical(to, v[key]), ',')
		}
		return append(to, '}')
	case []any:
		to = append(to, '[')
		for _, item := range v {
			to = append(appendCanonical(to, item), ',')
		}
		return append(to, ']')
	case string:
		return strconv.AppendQuote(to, v)
	case int64:
		return strconv.AppendInt(to, v, 10)
	case float64:
		if whole := int64(v); float64(whole) == v {
			return strconv.AppendInt(to, whole, 10)
		}
		return strconv.AppendFloat(to, v, 'g', -1, 64)
	case bool:
		return strconv.AppendBool(to, v)
	default: // nothing
		return append(to, "null"...)
	}
}

// OwnedDigest is the digest over the fields of obj that manager owns by server-side apply, and their values now. It
// equals the digest of what was applied as long as nobody changed, took or removed one of them. It is empty when the
// manager owns nothing.
func OwnedDigest(obj client.Object, manager string) (string, error) {
	fields := ownedFields(obj.GetManagedFields(), manager)
	if fields == nil {
		return "", nil
	}
	return fieldsDigest(obj, fields)
}

// fieldsDigest is the digest over the fields of obj that a field set names.
func fieldsDigest(obj client.Object, fields []byte) (string, error) {
	content, err := contentOf(obj)
	if err != nil {
		return "", err
	}
	var set map[string]any
	if err := json.Unmarshal(fields, &set); err != nil {
		return "", fmt.Errorf("decoding managed fields of %T %s: %w", obj, client.ObjectKeyFromObject(obj), err)
	}
	owned, _ := extract(content, set).(map[string]any)
	return contentDigest(owned), nil
}

// contentOf is obj as JSON has it. It is read only: what is unstructured already is not copied.
func contentOf(obj client.Object) (map[string]any, error) {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return u.Object, nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("converting %T %s: %w", obj, client.ObjectKeyFromObject(obj), err)
	}
	return content, nil
}

func ownedFields(entries []metav1.ManagedFieldsEntry, manager string) []byte {
	for _, e := range entries {
		if e.Manager == manager && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == "" && e.FieldsV1 != nil {
			return e.FieldsV1.GetRawBytes()
		}
	}
	return nil
}

// extract returns the part of live that the field set names. The set is FieldsV1: "f:name" is a field, "k:{…}" a list
// item by its keys, "v:…" a value in a set, "i:N" an index, "." the element itself; an empty set owns all below it.
func extract(live any, set map[string]any) any {
	if len(set) == 0 {
		return live
	}
	switch live := live.(type) {
	case map[string]any:
		return extractFields(live, set)
	case []any:
		return extractItems(live, set)
	default:
		return live
	}
}

func extractFields(live, set map[string]any) map[string]any {
	out := make(map[string]any, len(set))
	for element, below := range set {
		name, ok := strings.CutPrefix(element, "f:")
		if !ok {
			continue
		}
		if value, exists := live[name]; exists && value != nil {
			out[name] = extract(value, asSet(below))
		}
	}
	return out
}

func extractItems(live []any, set map[string]any) []any {
	elements := elementsOf(set)
	out := make([]any, 0, len(elements))
	for index, item := range live {
		for _, e := range elements {
			if e.matches(item, index) {
				out = append(out, extract(item, e.below))
				break
			}
		}
	}
	return out
}

// element is one entry of a field set that names items of a list. It is decoded once, and compared with every item.
type element struct {
	kind string
	// keys are the fields that name an item, value is the item itself, index its place; one of them, by kind.
	keys  map[string]any
	value any
	index string
	below map[string]any
}

// elementsOf decodes the entries of a set in the order of their text. What is not JSON matches nothing.
func elementsOf(set map[string]any) []element {
	out := make([]element, 0, len(set))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		kind, rest, _ := strings.Cut(name, ":")
		e := element{kind: kind, index: rest, below: asSet(set[name])}
		var err error
		switch kind {
		case "k":
			err = json.Unmarshal([]byte(rest), &e.keys)
		case "v":
			err = json.Unmarshal([]byte(rest), &e.value)
		}
		if err == nil {
			out = append(out, e)
		}
	}
	return out
}

func (e element) matches(item any, index int) bool {
	switch e.kind {
	case "k":
		fields, ok := item.(map[string]any)
		if !ok {
			return false
		}
		for name, value := range e.keys {
			if !sameValue(fields[name], value) {
				return false
			}
		}
		return true
	case "v":
		return sameValue(item, e.value)
	case "i":
		return e.index == strconv.Itoa(index)
	default:
		return false
	}
}

// sameValue compares a value with one that was decoded from JSON, whose numbers are all floats.
func sameValue(value, decoded any) bool {
	switch d := decoded.(type) {
	case string:
		v, ok := value.(string)
		return ok && v == d
	case bool:
		v, ok := value.(bool)
		return ok && v == d
	case nil:
		return value == nil
	}
	// Encoders differ in what they escape, so what is decoded is encoded again by the same one.
	a, errA := json.Marshal(value)
	b, errB := json.Marshal(decoded)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

func asSet(v any) map[string]any {
	set, _ := v.(map[string]any)
	return set
}
