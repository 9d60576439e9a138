// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/workspace-operator/workspace-operator/internal/apply"
)

const manager = "us"

// TestOwnedDigest compares the digest of an object, of which the field set says what is ours, with the digest of an object
// that is ours as a whole: they are equal exactly if the part that is ours is the same.
func TestOwnedDigest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		live, fields, ours string
		differs            bool
	}{
		"field":                {live: "{a: 1, b: 2}", fields: `{"f:a":{}}`, ours: "{a: 1}"},
		"field changed":        {live: "{a: 3, b: 2}", fields: `{"f:a":{}}`, ours: "{a: 1}", differs: true},
		"field gone":           {live: "{b: 2}", fields: `{"f:a":{}}`, ours: "{a: 1}", differs: true},
		"field taken over":     {live: "{a: 1, b: 2}", fields: `{"f:a":{}}`, ours: "{a: 1, b: 2}", differs: true},
		"field null":           {live: "{a: null, b: 2}", fields: `{"f:a":{},"f:b":{}}`, ours: "{b: 2}"},
		"nested field":         {live: "{a: {b: 1, c: 2}}", fields: `{"f:a":{"f:b":{}}}`, ours: "{a: {b: 1}}"},
		"map, its keys ours":   {live: "{a: {b: 1, c: 2}}", fields: `{"f:a":{".":{},"f:b":{}}}`, ours: "{a: {b: 1}}"},
		"map, empty":           {live: "{a: {}}", fields: `{"f:a":{}}`, ours: "{a: {}}"},
		"atomic map":           {live: "{a: {b: {c: 1}}}", fields: `{"f:a":{}}`, ours: "{a: {b: {c: 1}}}"},
		"atomic map, one more": {live: "{a: {b: 1, c: 2}}", fields: `{"f:a":{}}`, ours: "{a: {b: 1}}", differs: true},
		"atomic list":          {live: "{a: [x, b]}", fields: `{"f:a":{}}`, ours: "{a: [x, b]}"},
		"atomic list, shorter": {live: "{a: [x]}", fields: `{"f:a":{}}`, ours: "{a: [x, b]}", differs: true},
		"atomic list, turned":  {live: "{a: [b, x]}", fields: `{"f:a":{}}`, ours: "{a: [x, b]}", differs: true},
		"no longer a map":      {live: "{a: text}", fields: `{"f:a":{"f:b":{}}}`, ours: "{a: {b: 1}}", differs: true},
		"no longer a list":     {live: "{a: {}}", fields: `{"f:a":{"k:{\"name\":\"x\"}":{}}}`, ours: "{a: [{name: x}]}", differs: true},
		"item by key": {
			live:   "{a: [{name: theirs, v: 1}, {name: x, v: 1, d: 2}]}",
			fields: `{"f:a":{"k:{\"name\":\"x\"}":{".":{},"f:name":{},"f:v":{}}}}`, ours: "{a: [{name: x, v: 1}]}",
		},
		"item by key, gone": {
			live: "{a: [{name: b, v: 1}]}", fields: `{"f:a":{"k:{\"name\":\"x\"}":{".":{},"f:name":{}}}}`,
			ours: "{a: [{name: x}]}", differs: true,
		},
		"item by number and text": {
			live:   "{a: [{port: 80, protocol: UDP}, {port: 80, protocol: TCP, name: x}]}",
			fields: `{"f:a":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{},"f:name":{}}}}`, ours: "{a: [{port: 80, name: x}]}",
		},
		"item by key with escapes": {
			live: `{a: [{name: "a<b>&c", v: 1}]}`, fields: `{"f:a":{"k:{\"name\":\"a<b>&c\"}":{".":{},"f:name":{},"f:v":{}}}}`,
			ours: `{a: [{name: "a<b>&c", v: 1}]}`,
		},
		"item by key, order": {
			live:   "{a: [{name: x}, {name: theirs}, {name: b}]}",
			fields: `{"f:a":{"k:{\"name\":\"b\"}":{".":{},"f:name":{}},"k:{\"name\":\"x\"}":{".":{},"f:name":{}}}}`, ours: "{a: [{name: x}, {name: b}]}",
		},
		"item of a set":      {live: "{a: [theirs, x]}", fields: `{"f:a":{"v:\"x\"":{}}}`, ours: "{a: [x]}"},
		"item of a set, <":   {live: `{a: ["a<b"]}`, fields: `{"f:a":{"v:\"a<b\"":{}}}`, ours: `{a: ["a<b"]}`},
		"item of a set gone": {live: "{a: [theirs]}", fields: `{"f:a":{"v:\"x\"":{}}}`, ours: "{a: [x]}", differs: true},
		"item of numbers":    {live: "{a: [1, 2]}", fields: `{"f:a":{"v:2":{}}}`, ours: "{a: [2]}"},
		"item by index":      {live: "{a: [x, b]}", fields: `{"f:a":{"i:1":{}}}`, ours: "{a: [b]}"},
		"large numbers":      {live: "{a: 9007199254740993}", fields: `{"f:a":{}}`, ours: "{a: 9007199254740993}"},
		"label with a slash": {live: "{metadata: {labels: {a/b: c}}}", fields: `{"f:metadata":{"f:labels":{"f:a/b":{}}}}`, ours: "{metadata: {labels: {a/b: c}}}"},
		"identity is no content": {
			live: "{metadata: {name: x, namespace: y, labels: {a: b}}}", fields: `{"f:metadata":{"f:labels":{"f:a":{}}}}`,
			ours: "{metadata: {labels: {a: b}}}",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours := object(t, c.ours)
			want := digest(t, owned(ours, fields(t, ours.Object)))
			got := digest(t, owned(object(t, c.live), c.fields))
			if (got == want) == c.differs {
				t.Errorf("digests %s and %s: differ should be %v", want, got, c.differs)
			}
		})
	}
}

// TestWhoOwns: only what our manager applied counts, not what it updated or what concerns a subresource.
func TestWhoOwns(t *testing.T) {
	t.Parallel()
	ours := metav1.ManagedFieldsEntry{Manager: manager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(`{"f:a":{}}`)}
	other := func(change func(*metav1.ManagedFieldsEntry)) metav1.ManagedFieldsEntry {
		e := ours
		e.FieldsV1 = metav1.NewFieldsV1(`{"f:b":{}}`)
		change(&e)
		return e
	}
	for name, e := range map[string]metav1.ManagedFieldsEntry{
		"another manager": other(func(e *metav1.ManagedFieldsEntry) { e.Manager = "them" }),
		"an update":       other(func(e *metav1.ManagedFieldsEntry) { e.Operation = metav1.ManagedFieldsOperationUpdate }),
		"status":          other(func(e *metav1.ManagedFieldsEntry) { e.Subresource = "status" }),
		"no fields":       other(func(e *metav1.ManagedFieldsEntry) { e.FieldsV1 = nil }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			obj := object(t, "{a: 1, b: 2}")
			obj.SetManagedFields([]metav1.ManagedFieldsEntry{e})
			if got := digest(t, obj); got != "" {
				t.Errorf("digest %q of what is not ours, want none", got)
			}
			obj.SetManagedFields([]metav1.ManagedFieldsEntry{e, ours})
			if diff := cmp.Diff(digest(t, owned(object(t, "{a: 1}"), `{"f:a":{}}`)), digest(t, obj)); diff != "" {
				t.Errorf("digest (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadFieldSet(t *testing.T) {
	t.Parallel()
	obj := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(`{"f:a"`),
	}}}}
	if got, err := apply.NewDigester(manager).Owned(obj); err == nil {
		t.Errorf("got %q, want an error", got)
	}
	if got, err := apply.Ingest(manager, func(client.Object) {})(obj); err == nil {
		t.Errorf("got %v, want an error", got)
	}
}

// TestIngest: the cached object has the digest instead of the managed fields, is trimmed after the digest was taken, and
// goes through unchanged a second time. What comes from the server in the digest's place has no effect.
func TestIngest(t *testing.T) {
	t.Parallel()
	obj := owned(object(t, "{a: 1, b: 2}"), `{"f:a":{}}`)
	want := digest(t, obj)
	obj.SetAnnotations(map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}", "theirs": "1"})
	obj.SetSelfLink("forged")
	ingest := apply.Ingest(manager, func(o client.Object) { delete(o.(*unstructured.Unstructured).Object, "a") })
	for range 2 {
		out, err := ingest(obj)
		if err != nil {
			t.Fatal(err)
		}
		got := out.(*unstructured.Unstructured)
		if diff := cmp.Diff(map[string]string{"theirs": "1"}, got.GetAnnotations()); diff != "" {
			t.Errorf("annotations (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, apply.NotedDigest(got)); diff != "" {
			t.Errorf("digest (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"apiVersion", "b", "kind", "metadata"}, slices.Sorted(maps.Keys(got.Object))); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
		if got.GetManagedFields() != nil {
			t.Error("managed fields are kept")
		}
	}
	if out, err := ingest("a tombstone"); err != nil || out != "a tombstone" {
		t.Errorf("something else: got %v, %v", out, err)
	}
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	// The kind is needed for decoding, and no part of the content.
	data = fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Any",%s`, data[1:])
	if err := u.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return u
}

// fields is the field set of who owns all of an object.
func fields(t *testing.T, content map[string]any) string {
	t.Helper()
	data, err := json.Marshal(fieldSet(content))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func fieldSet(content map[string]any) map[string]any {
	set := map[string]any{}
	for name, value := range content {
		below, _ := value.(map[string]any)
		set["f:"+name] = fieldSet(below)
	}
	return set
}

func owned(u *unstructured.Unstructured, set string) *unstructured.Unstructured {
	u.SetManagedFields([]metav1.ManagedFieldsEntry{{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(set),
	}})
	return u
}

func digest(t *testing.T, obj client.Object) string {
	t.Helper()
	d, err := apply.NewDigester(manager).Owned(obj)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
