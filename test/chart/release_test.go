// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/action"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

// TestReleased: a packed release pins its own image, and lets the values choose another.
func TestReleased(t *testing.T) {
	t.Parallel()
	before, after := "sha256:"+strings.Repeat("0f", 32), "sha256:"+strings.Repeat("1e", 32)
	chart := packed(t, "v1.2.3", before)
	const repository = "ghcr.io/workspace-operator/workspace-controller"
	for text, want := range map[string]string{
		"{}":                            repository + ":v1.2.3@" + before,
		"registry: mirror.corp.example": "mirror.corp.example/workspace-operator/workspace-controller:v1.2.3@" + before,
		"image: {tag: v1.2.4}":          repository + ":v1.2.4",
		"image: {repository: registry.example/x}":         "registry.example/x:v1.2.3",
		"image: {digest: \"" + after + "\"}":              repository + ":v1.2.3@" + after,
		"image: {tag: v1.2.4, digest: \"" + after + "\"}": repository + ":v1.2.4@" + after,
	} {
		release, err := renderChart(t, chart, values(t, text))
		if err != nil {
			t.Fatal(err)
		}
		for _, pod := range objectsOf(t, release).pods(t) {
			if got := pod.Spec.Containers[0].Image; got != want {
				t.Errorf("with %s %s is %s, want %s", text, pod.name, got, want)
			}
		}
	}
}

// TestReusedValues: an upgrade that keeps the values of the release before runs the program of the new one.
func TestReusedValues(t *testing.T) {
	t.Parallel()
	s := start(t)
	do := action.NewInstall(s.helm(t, namespace))
	do.ReleaseName, do.Namespace = releaseName, namespace
	if _, err := s.installChart(t, do, packed(t, "v1.2.3", "sha256:"+strings.Repeat("0f", 32)), map[string]any{}); err != nil {
		t.Fatal(err)
	}
	digest := "sha256:" + strings.Repeat("1e", 32)
	next := packed(t, "v1.2.4", digest)
	for name, flags := range map[string]func(*action.Upgrade){
		"--reuse-values":            func(do *action.Upgrade) { do.ReuseValues = true },
		"--reset-then-reuse-values": func(do *action.Upgrade) { do.ResetThenReuseValues = true },
	} {
		release, err := s.upgrade(t, next, map[string]any{}, flags)
		if err != nil {
			t.Fatal(err)
		}
		for _, pod := range objectsOf(t, release).pods(t) {
			if got := pod.Spec.Containers[0].Image; !strings.HasSuffix(got, ":v1.2.4@"+digest) {
				t.Errorf("with %s %s is %s", name, pod.name, got)
			}
		}
	}
}

// packed is the chart as `make release` packs it.
func packed(t *testing.T, version, digest string) *chartv2.Chart {
	t.Helper()
	into := t.TempDir()
	source, err := filepath.Abs(chartDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", ".", "chart", "--version", version, "--image-digest", digest, "--into", into, source)
	cmd.Dir = filepath.Join(root(), "hack", "release")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("packing the chart: %v: %s", err, out)
	}
	loaded, err := loader.Load(filepath.Join(into, "workspace-"+strings.TrimPrefix(version, "v")+".tgz"))
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}
