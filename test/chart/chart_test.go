// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/kube"
	releasev1 "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const (
	releaseName = "kaito-workspace"
	namespace   = "kaito-workspace"
)

func chartDir() string { return filepath.Join(root(), "charts", "workspace") }

func root() string { return filepath.Join("..", "..") }

func load(t *testing.T) *chartv2.Chart {
	t.Helper()
	loaded, err := loader.Load(chartDir())
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// values reads values from YAML.
func values(t *testing.T, text string) map[string]any {
	t.Helper()
	parsed := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(text), &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed
}

// gateOn are the values of the README.
func gateOn() map[string]any {
	return map[string]any{"featureGates": map[string]any{"gatewayAPIInferenceExtension": true}}
}

// render returns the release that the values make, without a cluster to look at.
func render(t *testing.T, with map[string]any) (*releasev1.Release, error) {
	t.Helper()
	return renderChart(t, load(t), with)
}

func renderChart(t *testing.T, chart *chartv2.Chart, with map[string]any) (*releasev1.Release, error) {
	t.Helper()
	do := action.NewInstall(action.NewConfiguration())
	do.DryRunStrategy, do.WaitStrategy = action.DryRunClient, kube.HookOnlyStrategy
	do.ReleaseName, do.Namespace = releaseName, namespace
	// A test program does not know the version of Kubernetes that Helm is built for.
	version, err := common.ParseKubeVersion("v1.37.2")
	if err != nil {
		t.Fatal(err)
	}
	do.KubeVersion = version
	rendered, err := do.RunWithContext(t.Context(), chart, with)
	if err != nil {
		return nil, err
	}
	return released(t, rendered), nil
}

func released(t *testing.T, rendered any) *releasev1.Release {
	t.Helper()
	release, ok := rendered.(*releasev1.Release)
	if !ok {
		t.Fatalf("Helm returned a %T", rendered)
	}
	return release
}

// objects are all of a release's objects, its tests included.
type objects []*unstructured.Unstructured

func rendered(t *testing.T, with map[string]any) objects {
	t.Helper()
	release, err := render(t, with)
	if err != nil {
		t.Fatal(err)
	}
	return objectsOf(t, release)
}

func objectsOf(t *testing.T, release *releasev1.Release) objects {
	t.Helper()
	all := decode(t, release.Manifest)
	for _, hook := range release.Hooks {
		all = append(all, decode(t, hook.Manifest)...)
	}
	return all
}

func decode(t *testing.T, manifest string) objects {
	t.Helper()
	var all objects
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewBufferString(manifest)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		// Strictly: a key that stands there twice is a value that is lost.
		if err := yaml.UnmarshalStrict(document, &object.Object); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		if object.GetKind() != "" {
			all = append(all, object)
		}
	}
}

// of returns the objects of one kind.
func (o objects) of(kind string) objects {
	var some objects
	for _, object := range o {
		if object.GetKind() == kind {
			some = append(some, object)
		}
	}
	return some
}

// one returns the object of that kind and name.
func (o objects) one(t *testing.T, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, object := range o.of(kind) {
		if object.GetName() == name {
			return object
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}

// names lists kind and name of each object.
func (o objects) names() []string {
	var all []string
	for _, object := range o {
		all = append(all, object.GetKind()+" "+object.GetName())
	}
	return all
}

// cases returns the YAML files of a directory of testdata by name.
func cases(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	all := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".yaml")] = string(text)
	}
	return all
}
