// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// TestEncoder: values that are equal are written alike, and others are not.
func TestEncoder(t *testing.T) {
	t.Parallel()
	for want, alike := range map[string][]any{
		`{"a":1,"b":[true,null,],}`: {
			map[string]any{"a": int64(1), "b": []any{true, nil}}, map[string]any{"b": []any{true, nil}, "a": 1.0},
		},
		`"1"`: {"1"}, `"true"`: {"true"}, `true`: {true}, `1.5`: {1.5}, `-2`: {int64(-2), -2.0}, `1e+30`: {1e30}, `9007199254740993`: {int64(9007199254740993)},
		`"a\",\"b"`: {`a","b`}, `["a","b",]`: {[]any{"a", "b"}}, `[]`: {[]any{}}, `{}`: {map[string]any{}},
	} {
		for _, v := range alike {
			if got := textOf(v); got != want {
				t.Errorf("%#v: %s, want %s", v, got, want)
			}
		}
	}
}

// TestEncoderOfTypes: a Go type is written as its JSON would be, without what is empty there.
func TestEncoderOfTypes(t *testing.T) {
	t.Parallel()
	port := corev1.ServicePort{Port: 80, TargetPort: intstr.FromString("http")}
	for want, v := range map[string]any{
		`{"port":80,"targetPort":"http",}`: &port,
		`{"name":"model","resources":{"limits":{"cpu":"500m","nvidia.com/gpu":"2",},},}`: &corev1.Container{
			Name: "model", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{
				"nvidia.com/gpu": resource.MustParse("2"), "cpu": resource.MustParse("0.5"),
			}},
		},
		`{"labels":{"a":"1","b":"2","c":"3",},}`: &metav1.ObjectMeta{Labels: map[string]string{"c": "3", "a": "1", "b": "2"}},
	} {
		if got := textOf(v); got != want {
			t.Errorf("%T: %s, want %s", v, got, want)
		}
	}
}

// TestPartsOfOwners: the field sets of children of different owners are one in the table, and which owner it is still
// counts, also where the owner is called like something else in its children.
func TestPartsOfOwners(t *testing.T) {
	t.Parallel()
	const fields = `{"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"UID\"}":{}},"f:finalizers":{"v:\"NAME\"":{}}},
		"f:spec":{"f:containers":{"k:{\"name\":\"NAME\"}":{".":{},"f:name":{},"f:image":{}}}}}`
	type owner struct{ uid, name string }
	d := NewDigester("us")
	digest := func(is, named owner) string {
		obj := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Finalizers: []string{"name", is.name}, OwnerReferences: []metav1.OwnerReference{
				{UID: "another", Kind: "Other"}, {UID: types.UID(is.uid), Kind: "Workspace", Name: is.name, Controller: new(true)},
			}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "sidecar", Image: "y"}, {Name: is.name, Image: "x"}}},
		}
		set := strings.NewReplacer("UID", named.uid, "NAME", named.name).Replace(fields)
		obj.ManagedFields = []metav1.ManagedFieldsEntry{{
			Manager: "us", Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(set),
		}}
		sum, err := d.Owned(obj)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	a, b := owner{"8b8f0f0e-5a5c-4a53-8d3b-2f1d6a0c1b11", "phi-4"}, owner{"1c0f7c52-93c1-4f6e-a1f4-5f4b2f9d2a22", "name"}
	one, same, other := digest(a, a), digest(a, a), digest(b, b)
	if one != same || one == other {
		t.Errorf("digests %s, once more %s, of another owner %s", one, same, other)
	}
	if len(d.parts.known) != 1 {
		t.Errorf("%d entries of the table, want one", len(d.parts.known))
	}
	for _, lost := range []string{digest(b, a), digest(a, b), digest(a, owner{a.uid, "pool"}), digest(a, owner{b.uid, a.name})} {
		if lost == one || lost == other {
			t.Errorf("digest %s although what we owned is gone", lost)
		}
	}
}

// TestSame: a new version alone is no difference, and any other field is one.
func TestSame(t *testing.T) {
	t.Parallel()
	d := NewDigester("us")
	before := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "a", ResourceVersion: "1", Labels: map[string]string{"a": "1", "b": "2"}},
		Status:     appsv1.DeploymentStatus{AvailableReplicas: 1},
	}
	for name, c := range map[string]struct {
		change func(*appsv1.Deployment)
		same   bool
	}{
		"version":     {func(o *appsv1.Deployment) { o.ResourceVersion = "2" }, true},
		"empty map":   {func(o *appsv1.Deployment) { o.Annotations = map[string]string{} }, true},
		"label":       {func(o *appsv1.Deployment) { o.Labels["b"] = "3" }, false},
		"digest":      {func(o *appsv1.Deployment) { o.SetSelfLink("x") }, false},
		"status":      {func(o *appsv1.Deployment) { o.Status.AvailableReplicas = 0 }, false},
		"being ended": {func(o *appsv1.Deployment) { o.DeletionTimestamp = new(metav1.Unix(1, 0)) }, false},
	} {
		after := before.DeepCopy()
		c.change(after)
		if got := d.Same(before, after); got != c.same {
			t.Errorf("%s: same is %t", name, got)
		}
	}
	one := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"resourceVersion": "1"}, "spec": map[string]any{"a": "b"}}}
	two := one.DeepCopy()
	two.SetResourceVersion("2")
	if !d.Same(one, two) {
		t.Error("objects without a Go type differ by their version")
	}
	two.Object["spec"] = nil
	if d.Same(one, two) {
		t.Error("a field that is gone is no difference")
	}
}

// TestNotJSON: a value that is none is an error, not a digest.
func TestNotJSON(t *testing.T) {
	t.Parallel()
	release := &helmv2.HelmRelease{Spec: helmv2.HelmReleaseSpec{Values: &apiextensionsv1.JSON{Raw: []byte(`{"a":`)}}}
	if sum, err := NewDigester("us").wanted(release); err == nil {
		t.Errorf("digest %s", sum)
	}
	release.Spec.Values.Raw = []byte(`{"replicas":1,"big":9007199254740993,"none":null}`)
	if got, want := textOf(release.Spec.Values), `{"big":9007199254740993,"replicas":1,}`; got != want {
		t.Errorf("values are %s, want %s", got, want)
	}
}
