// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func file(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{root()}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// required is the version of a module in a go.mod.
func required(t *testing.T, text, module string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^\s+` + regexp.QuoteMeta(module) + ` (v\S+)`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("%s is not required", module)
	}
	return found[1]
}

// TestFluxVersions: the images that the chart installs are those that are built and run here, and the types that CRDs and
// operator are made from are of the same minor versions.
func TestFluxVersions(t *testing.T) {
	t.Parallel()
	type controller struct {
		Image struct {
			Tag string `json:"tag"`
		} `json:"image"`
	}
	var flux struct {
		SourceController controller `json:"sourceController"`
		HelmController   controller `json:"helmController"`
	}
	if err := yaml.Unmarshal([]byte(file(t, "charts", "workspace", "charts", "flux", "values.yaml")), &flux); err != nil {
		t.Fatal(err)
	}
	built, used := file(t, "test", "cluster", "build", "flux", "go.mod"), file(t, "go.mod")
	for module, tag := range map[string]string{
		"github.com/fluxcd/source-controller": flux.SourceController.Image.Tag, "github.com/fluxcd/helm-controller": flux.HelmController.Image.Tag,
	} {
		if want := required(t, built, module); tag != want {
			t.Errorf("the chart's image of %s is %s, built and run is %s", module, tag, want)
		}
		minor := tag[:strings.LastIndex(tag, ".")+1]
		if types := required(t, used, module+"/api"); !strings.HasPrefix(types, minor) {
			t.Errorf("the image of %s is %s, the types are of %s", module, tag, types)
		}
	}
}

// TestDockerfileTwin: what Docker builds differs from make images in nothing that people see.
func TestDockerfileTwin(t *testing.T) {
	t.Parallel()
	docker := file(t, "Dockerfile")
	toolchain := regexp.MustCompile(`(?m)^toolchain go(\S+)$`).FindStringSubmatch(file(t, "go.mod"))
	if toolchain == nil {
		t.Fatal("go.mod has no toolchain")
	}
	if want := "ARG GO_VERSION=" + toolchain[1] + "\n"; !strings.Contains(docker, want) {
		t.Errorf("the Dockerfile does not have %q, the toolchain of go.mod", want)
	}
	label := regexp.MustCompile(`org\.opencontainers\.image\.[a-z]+`)
	_, labels, _ := strings.Cut(file(t, "hack", "release", "internal", "oci", "oci.go"), "labels() map[string]string {")
	labels, _, _ = strings.Cut(labels, "\n}\n")
	want, have := label.FindAllString(labels, -1), label.FindAllString(docker, -1)
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(want, have) || len(want) < 5 {
		t.Errorf("labels %v, want %v", have, want)
	}
}
