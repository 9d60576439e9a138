// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/action"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

func fluxCRDs() string {
	return filepath.Join(chartDir(), "charts", "flux", "files", "crds")
}

// TestOtherFlux: a Flux that is there already is used, not joined by a second.
func TestOtherFlux(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.namespace(t, "flux-system")
	other := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{
			"selector": map[string]any{"matchLabels": map[string]any{"app": "helm-controller"}},
			"template": map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"app": "helm-controller"}},
				"spec": map[string]any{"containers": []any{
					map[string]any{"name": "manager", "image": "mirror.corp.example/fluxcd/helm-controller:v1.4.0"},
				}},
			},
		},
	}}
	other.SetAPIVersion("apps/v1")
	other.SetKind("Deployment")
	other.SetNamespace("flux-system")
	other.SetName("helm-controller")
	if err := s.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	s.checkNoFlux(t, "the Flux that runs here already (flux-system/helm-controller)")
	s.checkDraining(t)
	// Its CRDs alone, with a controller that runs elsewhere, say the same.
	if err := s.Delete(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	s.uninstall(t)
	s.checkNoFlux(t, "no helm-controller was found")
	// The user knows better; but the CRDs stay whose they are.
	always := gateOn()
	always["flux"] = map[string]any{"install": "always"}
	all := s.mustInstall(t, always)
	all.one(t, "Deployment", "helm-controller")
	for _, crd := range all.of("CustomResourceDefinition") {
		if strings.Contains(crd.GetName(), "fluxcd") {
			t.Errorf("takes over the CRD %s", crd.GetName())
		}
	}
}

func (s *server) checkNoFlux(t *testing.T, note string) {
	t.Helper()
	all := s.mustInstall(t, gateOn())
	for _, object := range all {
		if strings.Contains(object.GetName(), "helm-controller") || strings.Contains(object.GetName(), "fluxcd") {
			t.Errorf("a second Flux: %s %s", object.GetKind(), object.GetName())
		}
	}
	if notes := s.notes(t); !strings.Contains(notes, note) {
		t.Errorf("the notes do not say %q:\n%s", note, notes)
	}
}

// checkDraining: with the gate off the notes say that the other Flux still has pools to remove, until it has none.
func (s *server) checkDraining(t *testing.T) {
	t.Helper()
	s.foreignCRDs(t)
	s.namespace(t, "models")
	release := helmRelease("phi-4-inferencepool")
	release.SetFinalizers(nil)
	if err := s.Create(t.Context(), release); err != nil {
		t.Fatal(err)
	}
	const removing = "removing the InferencePools through the Flux that runs here"
	s.mustInstall(t, map[string]any{})
	if notes := s.notes(t); !strings.Contains(notes, removing) || strings.Contains(notes, "To switch it on") {
		t.Errorf("the notes do not say who removes the pools:\n%s", notes)
	}
	if err := s.Delete(t.Context(), release); err != nil {
		t.Fatal(err)
	}
	s.mustInstall(t, map[string]any{})
	if notes := s.notes(t); strings.Contains(notes, removing) || !strings.Contains(notes, "To switch it on") {
		t.Errorf("the notes speak of pools that are gone:\n%s", notes)
	}
}

// foreignCRDs are Flux's as somebody else installed them.
func (s *server) foreignCRDs(t *testing.T) {
	t.Helper()
	crds, err := envtest.InstallCRDs(s.config, envtest.CRDInstallOptions{Paths: []string{fluxCRDs()}})
	if err != nil {
		t.Fatal(err)
	}
	for _, crd := range crds {
		changed := &unstructured.Unstructured{}
		changed.SetAPIVersion("apiextensions.k8s.io/v1")
		changed.SetKind("CustomResourceDefinition")
		if err := s.Get(t.Context(), client.ObjectKeyFromObject(crd), changed); err != nil {
			t.Fatal(err)
		}
		changed.SetAnnotations(nil)
		if err := s.Update(t.Context(), changed); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeptCRDs: what an earlier installation under another name left is no other Flux, and not taken over either.
func TestKeptCRDs(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.mustInstall(t, gateOn())
	s.uninstall(t)
	s.namespace(t, "elsewhere")
	_, err := s.installAs(t, "other", "elsewhere", gateOn())
	if err == nil || !strings.Contains(err.Error(), `"workspaces.kaito.sh" in namespace "" exists and cannot be imported`) {
		t.Errorf("the Workspace CRD of another release: %v", err)
	}
	moved := action.NewInstall(s.helm(t, "elsewhere"))
	moved.ReleaseName, moved.Namespace, moved.TakeOwnership, moved.DryRunStrategy = "other", "elsewhere", true, action.DryRunServer
	if _, err := s.installChart(t, moved, load(t), gateOn()); err != nil {
		t.Errorf("with --take-ownership: %v", err)
	}
	with := gateOn()
	with["crds"] = map[string]any{"install": false}
	release, err := s.installAs(t, "other", "elsewhere", with)
	if err != nil {
		t.Fatal(err)
	}
	all := objectsOf(t, release)
	all.one(t, "Deployment", "helm-controller")
	if crds := all.of("CustomResourceDefinition"); len(crds) > 0 {
		t.Errorf("takes over %v", crds.names())
	}
}
