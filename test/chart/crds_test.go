// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"context"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// newer are fields that the last release did not have, by CRD.
func newer() map[string][]string {
	return map[string][]string{
		"workspaces.kaito.sh":                        {"status", "endpoint"},
		"inferencepools.inference.networking.k8s.io": {"spec", "appProtocol"},
		"ocirepositories.source.toolkit.fluxcd.io":   {"spec", "proxySecretRef"},
	}
}

// TestCRDsUpgrade: a release brings new fields of all three kinds of CRDs to a cluster that has the release before, and the
// Workspace that is there stays.
func TestCRDsUpgrade(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.namespace(t, "models")
	do := action.NewInstall(s.helm(t, namespace))
	do.ReleaseName, do.Namespace = releaseName, namespace
	if _, err := s.installChart(t, do, before(t), gateOn()); err != nil {
		t.Fatal(err)
	}
	for name, field := range newer() {
		if s.knows(t, name, field) {
			t.Fatalf("%s had %s before", name, strings.Join(field, "."))
		}
	}
	workspace := s.workspace(t)
	uid := workspace.GetUID()
	s.mustInstall(t, gateOn())
	for name, field := range newer() {
		if !s.knows(t, name, field) {
			t.Errorf("%s has no %s after the upgrade", name, strings.Join(field, "."))
		}
	}
	if err := s.Get(t.Context(), client.ObjectKeyFromObject(workspace), workspace); err != nil || workspace.GetUID() != uid {
		t.Errorf("the Workspace is another: %v", err)
	}
}

// before is the chart as the last release could have been: its CRDs lack the newer fields.
func before(t *testing.T) *chartv2.Chart {
	t.Helper()
	chart := load(t)
	files := slices.Clone(chart.Files)
	for _, part := range chart.Dependencies() {
		files = append(files, part.Files...)
	}
	for name, field := range newer() {
		plural, group, _ := strings.Cut(name, ".")
		at := slices.IndexFunc(files, func(file *common.File) bool { return file.Name == "files/crds/"+group+"_"+plural+".yaml" })
		if at < 0 {
			t.Fatalf("the chart has no CRD %s", name)
		}
		crd := decode(t, string(files[at].Data))[0]
		eachVersion(t, crd, func(schema map[string]any) {
			unstructured.RemoveNestedField(schema, append(inside(field[:len(field)-1]), "properties", field[len(field)-1])...)
		})
		data, err := yaml.Marshal(crd.Object)
		if err != nil {
			t.Fatal(err)
		}
		files[at].Data = append([]byte("---\n"), data...)
	}
	return chart
}

// knows reports whether the installed CRD has a field in every version.
func (s *server) knows(t *testing.T, name string, field []string) bool {
	t.Helper()
	all := true
	eachVersion(t, s.crd(t, name), func(schema map[string]any) {
		_, found, _ := unstructured.NestedMap(schema, inside(field)...)
		all = all && found
	})
	return all
}

func (s *server) crd(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	crd := &unstructured.Unstructured{}
	crd.SetAPIVersion("apiextensions.k8s.io/v1")
	crd.SetKind("CustomResourceDefinition")
	if err := s.Get(t.Context(), client.ObjectKey{Name: name}, crd); err != nil {
		t.Fatal(err)
	}
	return crd
}

// eachVersion hands over the schema of each version of a CRD, to be changed.
func eachVersion(t *testing.T, crd *unstructured.Unstructured, do func(schema map[string]any)) {
	t.Helper()
	versions, found, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if !found || err != nil {
		t.Fatalf("%s has no versions: %v", crd.GetName(), err)
	}
	for _, version := range versions {
		content, _ := version.(map[string]any)
		schema, _ := content["schema"].(map[string]any)
		root, _ := schema["openAPIV3Schema"].(map[string]any)
		do(root)
	}
	if err := unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions"); err != nil {
		t.Fatal(err)
	}
}

// inside is the path of a field in a schema.
func inside(field []string) []string {
	var path []string
	for _, name := range field {
		path = append(path, "properties", name)
	}
	return path
}

// TestTakeOwnership: KAITO's Workspace CRD belongs to no release, and has neither our rules nor our fields. Helm refuses it
// unless it is told to take it, and then it is ours, with the Workspaces in it, and stays when the chart goes.
func TestTakeOwnership(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.namespace(t, "models")
	s.kaitoCRD(t)
	workspace := s.workspace(t)
	uid := workspace.GetUID()

	if _, err := s.install(t, gateOn()); err == nil || !strings.Contains(err.Error(), `"workspaces.kaito.sh" in namespace "" exists and cannot be imported`) {
		t.Fatalf("without the flag: %v", err)
	}
	do := action.NewInstall(s.helm(t, namespace))
	do.ReleaseName, do.Namespace, do.TakeOwnership = releaseName, namespace, true
	if _, err := s.installChart(t, do, load(t), gateOn()); err != nil {
		t.Fatal(err)
	}
	s.mustInstall(t, gateOn())
	if !s.knows(t, "workspaces.kaito.sh", []string{"inference", "replicas"}) {
		t.Error("the CRD lacks our fields")
	}
	s.uninstall(t)
	if err := s.Get(t.Context(), client.ObjectKeyFromObject(workspace), workspace); err != nil || workspace.GetUID() != uid || workspace.GetDeletionTimestamp() != nil {
		t.Errorf("the Workspace is another, or goes: %v", err)
	}
}

// kaitoCRD installs the CRD as Helm leaves it when it is in a chart's crds/: without a mark of whose it is. That of KAITO
// v0.7 has no rules in CEL and none of our fields.
func (s *server) kaitoCRD(t *testing.T) {
	t.Helper()
	var crd *unstructured.Unstructured
	for _, file := range load(t).Files {
		if file.Name == "files/crds/kaito.sh_workspaces.yaml" {
			crd = decode(t, string(file.Data))[0]
		}
	}
	crd.SetAnnotations(nil)
	eachVersion(t, crd, func(schema map[string]any) {
		withoutRules(schema)
		for _, field := range [][]string{{"inference", "replicas"}, {"inference", "rollout"}, {"inference", "gateway"}} {
			unstructured.RemoveNestedField(schema, append(inside(field[:len(field)-1]), "properties", field[len(field)-1])...)
		}
	})
	if err := s.Create(t.Context(), crd); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		_, err := s.typed.Discovery().RESTClient().Get().AbsPath("/apis/kaito.sh/v1beta1/workspaces").DoRaw(ctx)
		return err
	})
}

// withoutRules removes what validates by expressions, all the way down.
func withoutRules(value any) {
	switch value := value.(type) {
	case map[string]any:
		delete(value, "x-kubernetes-validations")
		for _, item := range value {
			withoutRules(item)
		}
	case []any:
		for _, item := range value {
			withoutRules(item)
		}
	}
}
