// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/workload"
)

// TestEveryFieldCounts changes one field of the plan after the other: each either shows in the objects, or is listed
// here as none of this package's business. The hash changes exactly when a workload does.
func TestEveryFieldCounts(t *testing.T) {
	t.Parallel()
	always := []string{
		// Decided by the plan and already part of its arguments.
		".Models", ".Topology.TensorParallel", ".Topology.PipelineParallel", ".Topology.MaxModelLen",
		".Server.Adapters[*].Path", ".Server.Adapters[*].Name",
		// Rendered elsewhere.
		".Names.Pool", ".Names.EPP", ".Pool", ".Route", ".Unroutable",
	}
	for name, more := range map[string][]string{
		"private":  {".Names.Headless"},
		"adapters": {".Names.Headless"},
		// Its only variable is one that the wiring sets.
		"multi-node": {".Rollout", ".Server.Env[*].Value"},
		// The name in a template is dropped, our label replaces the user's, and one toleration is both theirs and ours.
		"template": {
			".Names.Headless", ".Topology.ResourceName", ".Topology.GPUsPerPod",
			".Template.ObjectMeta.Name", ".Template.ObjectMeta.GenerateName", ".Template.ObjectMeta.SelfLink",
			".Template.ObjectMeta.UID", ".Template.ObjectMeta.ResourceVersion", ".Template.ObjectMeta.Generation",
			".Template.ObjectMeta.Labels[kaito.sh/workspace]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkEveryField(t, filepath.Join("testdata", name, "plan.yaml"), append(more, always...))
		})
	}
}

func checkEveryField(t *testing.T, file string, ignored []string) {
	t.Helper()
	p := readPlan(t, file)
	base, err := render(t, p)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	eachLeaf("", reflect.ValueOf(&p).Elem(), func(path string) {
		count++
		got, err := render(t, p)
		if err != nil {
			return // Refused is noticed.
		}
		ignore := slices.ContainsFunc(ignored, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
		if seen := got.all != base.all; seen == ignore {
			t.Errorf("%s: shows in the objects: %v", path, seen)
		}
		if (got.hash != base.hash) != (got.workloads != base.workloads) {
			t.Errorf("%s: hash and workload do not change together", path)
		}
	})
	if count < 20 {
		t.Fatalf("only %d fields were changed", count)
	}
	if again, err := render(t, p); err != nil || again != base {
		t.Fatal("the walk left the plan changed")
	}
}

type rendered struct{ all, workloads, hash string }

func render(t *testing.T, p plan.Plan) (rendered, error) {
	t.Helper()
	w, err := workload.Render(p)
	if err != nil {
		return rendered{}, err
	}
	r := rendered{hash: w.Hash}
	r.all = string(text(t, w))
	for _, object := range w.Workloads() {
		object.SetAnnotations(nil)
		r.workloads += toJSON(t, object)
	}
	return r, nil
}

// eachLeaf calls visit once for every scalar in v, while that scalar has another value.
func eachLeaf(path string, v reflect.Value, visit func(path string)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			eachLeaf(path, v.Elem(), visit)
		}
	case reflect.Struct:
		eachField(path, v, visit)
	case reflect.Slice:
		for i := range v.Len() {
			eachLeaf(fmt.Sprintf("%s[%s]", path, "*"), v.Index(i), visit)
		}
	case reflect.Map:
		eachEntry(path, v, visit)
	default:
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		change(v)
		visit(path)
		v.Set(old)
	}
}

func eachField(path string, v reflect.Value, visit func(path string)) {
	if quantity, ok := reflect.TypeAssert[*resource.Quantity](v.Addr()); ok {
		old := quantity.DeepCopy()
		quantity.Add(resource.MustParse("1"))
		visit(path)
		*quantity = old
		return
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() || unusedUnionMember(field.Name, v) {
			continue
		}
		eachLeaf(path+"."+field.Name, v.Field(i), visit)
	}
}

// unusedUnionMember says that a change of this field of an IntOrString alone would change nothing.
func unusedUnionMember(field string, v reflect.Value) bool {
	if v.Type().Name() != "IntOrString" {
		return false
	}
	isInt := v.FieldByName("Type").Int() == 0
	return field == "Type" || field == "StrVal" && isInt || field == "IntVal" && !isInt
}

func eachEntry(path string, v reflect.Value, visit func(path string)) {
	for _, key := range v.MapKeys() {
		entry := reflect.New(v.Type().Elem()).Elem()
		entry.Set(v.MapIndex(key))
		eachLeaf(fmt.Sprintf("%s[%v]", path, key), entry, func(path string) {
			old := v.MapIndex(key)
			kept := reflect.New(old.Type()).Elem()
			kept.Set(old)
			v.SetMapIndex(key, entry)
			visit(path)
			v.SetMapIndex(key, kept)
		})
	}
}

func change(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	default:
		if v.Type() == reflect.TypeFor[time.Duration]() {
			v.SetInt(v.Int() + int64(10*time.Second))
			return
		}
		v.SetInt(v.Int() + 1)
	}
}
