// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// TestImage: the chart puts a registry before an image as the operator does.
func TestImage(t *testing.T) {
	t.Parallel()
	for _, registry := range []string{"", "mirror.corp.example", "mirror.corp.example:5000/kaito"} {
		for _, repository := range []string{
			"ghcr.io/workspace-operator/workspace-controller", "localhost:5000/operator", "localhost/operator", "operator", "team/operator",
			"mirror.corp.example/operator", "mirror.corp.example:5000/kaito/operator", "docker.io/library/operator",
		} {
			all := rendered(t, map[string]any{
				"registry": registry, "image": map[string]any{"repository": repository, "tag": "v1"},
			})
			for _, pod := range all.pods(t) {
				if got, want := pod.Spec.Containers[0].Image, plan.Image(registry, repository)+":v1"; got != want {
					t.Errorf("%s of %s is %s, want %s", repository, registry, got, want)
				}
			}
		}
	}
}

// TestDockerfile: Docker builds the same program as make images.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	read := func(path ...string) string {
		text, err := os.ReadFile(filepath.Join(append([]string{root()}, path...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	docker, fragment, makefile := read("Dockerfile"), read("hack", "chart.mk"), read("Makefile")
	const build = "go build -ldflags '-s -w'"
	for _, want := range []string{build, "./cmd/workspace-controller"} {
		if !strings.Contains(docker, want) || !strings.Contains(fragment, want) {
			t.Errorf("not both have %q", want)
		}
	}
	for docker1, make1 := range map[string]string{
		`GOFLAGS="-trimpath -buildvcs=false"`: "export GOFLAGS := -trimpath -buildvcs=false",
		"CGO_ENABLED=0":                       "export CGO_ENABLED := 0",
		"GOWORK=off":                          "export GOWORK := off",
	} {
		if !strings.Contains(docker, docker1) || !strings.Contains(makefile, make1) {
			t.Errorf("not both have %q", docker1)
		}
	}
	for _, want := range []string{"FROM scratch", "USER 65532:65532", `ENTRYPOINT ["/workspace-controller"]`} {
		if !strings.Contains(docker, want) {
			t.Errorf("the Dockerfile lacks %q", want)
		}
	}
}
