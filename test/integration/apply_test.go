// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/apply"
)

// family is a namespace in which a test applies objects as the operator would.
type family struct {
	t *testing.T
	client.WithWatch
	namespace string
	owner     metav1.OwnerReference
}

// owner makes an object that can own others: what a missing one owns is garbage.
func owner(t *testing.T, namespace, name string) metav1.OwnerReference {
	t.Helper()
	obj := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if err := shared.Create(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
	return metav1.OwnerReference{
		APIVersion: "v1", Kind: "ConfigMap", Name: name, UID: obj.UID, Controller: new(true), BlockOwnerDeletion: new(true),
	}
}

func newFamily(t *testing.T) family {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "apply-"}}
	if err := shared.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.Delete(context.Background(), ns); err != nil {
			t.Error(err)
		}
	})
	return family{t: t, WithWatch: shared.WithWatch, namespace: ns.Name, owner: owner(t, ns.Name, "owner")}
}

// rendered are the objects of a golden file of internal/render, put into the namespace under a prefix.
func (c family) rendered(file, prefix string) []client.Object {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(root(), "internal", "render", file))
	if err != nil {
		c.t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(c.Scheme(), serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text)))
	var objects []client.Object
	for buffer := make([]byte, len(text)); ; {
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if bytes.HasPrefix(buffer[:n], []byte("# ")) && bytes.Count(buffer[:n], []byte("\n")) < 2 {
			continue
		}
		obj, _, err := decoder.Decode(buffer[:n], nil, nil)
		if err != nil {
			c.t.Fatalf("%s: %v", file, err)
		}
		o := obj.(client.Object)
		o.SetNamespace(c.namespace)
		o.SetName(prefix + o.GetName())
		o.SetOwnerReferences([]metav1.OwnerReference{c.owner})
		objects = append(objects, o)
	}
}

// one is the rendered object of a kind.
func (c family) one(file, kind string) client.Object {
	c.t.Helper()
	for _, obj := range c.rendered(file, "") {
		if obj.GetObjectKind().GroupVersionKind().Kind == kind {
			return obj
		}
	}
	c.t.Fatalf("%s has no %s", file, kind)
	return nil
}

// cached is an object as the operator's cache holds it once it is up to date, but for what is trimmed.
func (c family) cached(like client.Object) client.Object {
	c.t.Helper()
	out, err := apply.Ingest(v1beta1.ManagedBy, func(client.Object) {})(c.live(like))
	if err != nil {
		c.t.Fatal(err)
	}
	return out.(client.Object)
}

func (c family) live(like client.Object) client.Object {
	c.t.Helper()
	live, err := c.Scheme().New(like.GetObjectKind().GroupVersionKind())
	if err != nil {
		c.t.Fatal(err)
	}
	obj := live.(client.Object)
	if err := c.Get(c.t.Context(), client.ObjectKeyFromObject(like), obj); err != nil {
		c.t.Fatal(err)
	}
	return obj
}

// expect applies and compares what that amounted to.
func (c family) expect(want apply.Result, a *apply.Applier, desired, cached client.Object) {
	c.t.Helper()
	got, err := a.Apply(c.t.Context(), desired, cached)
	if err != nil {
		c.t.Fatal(err)
	}
	if got != want {
		c.t.Fatalf("applying %T %s: got %s, want %s", desired, desired.GetName(), got, want)
	}
}

func (c family) applier() *apply.Applier { return apply.New(c, c, v1beta1.ManagedBy) }

// silent is an Applier that fails if it writes.
func (c family) silent() *apply.Applier {
	return apply.New(interceptor.NewClient(c, interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return errors.New("written although nothing differs")
		},
	}), c, v1beta1.ManagedBy)
}

func (c family) edit(obj client.Object, kind types.PatchType, patch string) {
	c.t.Helper()
	err := c.Patch(c.t.Context(), c.live(obj), client.RawPatch(kind, []byte(patch)), client.FieldOwner("kubectl-edit"))
	if err != nil {
		c.t.Fatal(err)
	}
}

const (
	presetFile    = "workload/testdata/preset/want.yaml"
	multiNodeFile = "workload/testdata/multi-node/want.yaml"
	poolFile      = "pool/testdata/inferencepool/v1.5.0/statefulset.yaml"
)

// TestAppliedIsUnchanged: whatever we render, for every shape and chart, is found unchanged after a restart of the
// operator, without a request. So a settled cluster costs nothing, whatever the API server filled in.
func TestAppliedIsUnchanged(t *testing.T) {
	t.Parallel()
	c := newFamily(t)
	var files []string
	base := filepath.Join(root(), "internal", "render")
	collect := func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".yaml" && filepath.Base(path) != "plan.yaml" {
			relative, _ := filepath.Rel(base, path)
			files = append(files, relative)
		}
		return err
	}
	err := errors.Join(
		filepath.WalkDir(filepath.Join(base, "workload", "testdata"), collect),
		filepath.WalkDir(filepath.Join(base, "pool", "testdata"), collect))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	var kinds []string
	for n, file := range files {
		for _, desired := range c.rendered(file, fmt.Sprintf("g%d-", n)) {
			c.expect(apply.Created, c.applier(), desired, nil)
			c.expect(apply.Unchanged, c.silent(), desired, c.cached(desired))
			kinds = append(kinds, desired.GetObjectKind().GroupVersionKind().Kind)
		}
	}
	slices.Sort(kinds)
	want := []string{"Deployment", "HelmRelease", "OCIRepository", "PodDisruptionBudget", "Service", "StatefulSet"}
	if diff := cmp.Diff(want, slices.Compact(kinds)); diff != "" {
		t.Errorf("kinds that were tried (-want +got):\n%s", diff)
	}
}

// TestEdits: what we said is put back by one write, what we did not say is left to whoever said it.
func TestEdits(t *testing.T) {
	t.Parallel()
	for _, e := range []struct {
		name, file, kind string
		patchType        types.PatchType
		patch            string
		want             apply.Result
	}{
		{"replicas", presetFile, "Deployment", types.MergePatchType, `{"spec":{"replicas":5}}`, apply.Repaired},
		{"label changed", presetFile, "Deployment", types.MergePatchType, `{"metadata":{"labels":{"kaito.sh/workspace":"x"}}}`, apply.Repaired},
		{"label removed", presetFile, "Deployment", types.MergePatchType, `{"metadata":{"labels":{"kaito.sh/workspace":null}}}`, apply.Repaired},
		{"owner removed", presetFile, "Deployment", types.MergePatchType, `{"metadata":{"ownerReferences":null}}`, apply.Repaired},
		{
			"argument removed", presetFile, "Deployment", types.JSONPatchType,
			`[{"op":"remove","path":"/spec/template/spec/containers/0/args/0"}]`, apply.Repaired,
		},
		{
			"environment removed", presetFile, "Deployment", types.JSONPatchType,
			`[{"op":"remove","path":"/spec/template/spec/containers/0/env/0"}]`, apply.Repaired,
		},
		{
			"environment added", presetFile, "Deployment", types.JSONPatchType,
			`[{"op":"add","path":"/spec/template/spec/containers/0/env/0","value":{"name":"FROM_A_WEBHOOK","value":"1"}}]`, apply.Unchanged,
		},
		{"label added", presetFile, "Deployment", types.MergePatchType, `{"metadata":{"labels":{"team":"ml"}}}`, apply.Unchanged},
		{"restart", presetFile, "Deployment", types.MergePatchType, `{"spec":{"template":{"metadata":{"annotations":{"restartedAt":"x"}}}}}`, apply.Unchanged},
		{"rolling update", multiNodeFile, "StatefulSet", types.MergePatchType, `{"spec":{"replicas":0}}`, apply.Repaired},
		{"selector removed", presetFile, "Service", types.MergePatchType, `{"spec":{"selector":{"kaito.sh/workspace":null}}}`, apply.Repaired},
		{"port", presetFile, "Service", types.JSONPatchType, `[{"op":"replace","path":"/spec/ports/0/targetPort","value":9}]`, apply.Repaired},
		{"tag", poolFile, "OCIRepository", types.MergePatchType, `{"spec":{"ref":{"tag":"v0.1.0"}}}`, apply.Repaired},
		{"reference removed", poolFile, "OCIRepository", types.MergePatchType, `{"spec":{"ref":null}}`, apply.Repaired},
		{"value", poolFile, "HelmRelease", types.MergePatchType, `{"spec":{"values":{"inferenceExtension":{"replicas":9}}}}`, apply.Repaired},
		{"value removed", poolFile, "HelmRelease", types.MergePatchType, `{"spec":{"values":{"inferenceExtension":{"replicas":null}}}}`, apply.Repaired},
		{"patches removed", poolFile, "HelmRelease", types.MergePatchType, `{"spec":{"postRenderers":null}}`, apply.Repaired},
		{"suspend is the user's", poolFile, "HelmRelease", types.MergePatchType, `{"spec":{"suspend":true}}`, apply.Unchanged},
		{"asked for a look", poolFile, "HelmRelease", types.MergePatchType, `{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"x"}}}`, apply.Unchanged},
		{"budget", poolFile, "PodDisruptionBudget", types.MergePatchType, `{"spec":{"maxUnavailable":3}}`, apply.Repaired},
	} {
		t.Run(e.kind+"/"+e.name, func(t *testing.T) {
			t.Parallel()
			c := newFamily(t)
			a, desired := c.applier(), c.one(e.file, e.kind)
			c.expect(apply.Created, a, desired, nil)
			before := apply.NotedDigest(c.cached(desired))
			c.edit(desired, e.patchType, e.patch)
			c.expect(e.want, a, desired, c.cached(desired))
			if diff := cmp.Diff(before, apply.NotedDigest(c.cached(desired))); diff != "" {
				t.Errorf("not put back (-want +got):\n%s", diff)
			}
			c.expect(apply.Unchanged, a, desired, c.cached(desired))
			c.expect(apply.Unchanged, c.silent(), desired, c.cached(desired))
		})
	}
}
