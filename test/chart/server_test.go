// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// TestAdmitted: a real API server accepts every object of every rendering, with no field that it does not know.
func TestAdmitted(t *testing.T) {
	t.Parallel()
	s := start(t)
	if _, err := envtest.InstallCRDs(s.config, envtest.CRDInstallOptions{Paths: monitoringCRDs(t)}); err != nil {
		t.Fatal(err)
	}
	s.namespace(t, "models")
	strict := client.WithFieldValidation(s.Client, "Strict")
	for name, text := range cases(t, "values") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, object := range rendered(t, values(t, text)) {
				if err := strict.Create(t.Context(), object, client.DryRunAll); err != nil {
					t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
				}
			}
		})
	}
}

// monitoringCRDs are the files that the Prometheus Operator's own module has.
func monitoringCRDs(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json",
		"github.com/prometheus-operator/prometheus-operator@v0.85.0")
	// Outside every module, so that the download changes no go.sum.
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	var module struct{ Dir, Error string }
	if decodeErr := json.Unmarshal(out, &module); decodeErr != nil || module.Dir == "" {
		t.Fatalf("downloading the Prometheus Operator: %v: %s", err, module.Error)
	}
	crds := filepath.Join(module.Dir, "example", "prometheus-operator-crd")
	return []string{
		filepath.Join(crds, "monitoring.coreos.com_servicemonitors.yaml"), filepath.Join(crds, "monitoring.coreos.com_prometheusrules.yaml"),
	}
}

// TestLifecycle walks the chart through installing, the gate, upgrades and uninstalling, with a pool in between. What Flux
// and the operator do is done by hand: the question is what Helm takes away.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.namespace(t, "models")

	if all := s.mustInstall(t, map[string]any{}); len(all.of("Deployment")) != 1 || len(all.of("CustomResourceDefinition")) != 1 {
		t.Errorf("with the gate off there are %v", all.names())
	}
	on := s.mustInstall(t, gateOn())
	on.one(t, "Deployment", "helm-controller")
	on.one(t, "CustomResourceDefinition", "inferencepools.inference.networking.k8s.io")
	// A second time: now everything is there already, and ours.
	if again := s.mustInstall(t, gateOn()); len(again) != len(on) {
		t.Errorf("an upgrade makes %v of %v", again.names(), on.names())
	}

	// A pool, as the operator and helm-controller leave it.
	release := helmRelease("phi-4-inferencepool")
	workspace := s.workspace(t)
	if err := s.Create(t.Context(), release); err != nil {
		t.Fatal(err)
	}
	draining := s.mustInstall(t, map[string]any{})
	draining.one(t, "Deployment", "helm-controller")
	// It has certificates to remove.
	draining.one(t, "ValidatingAdmissionPolicy", releaseName+"-secrets")
	if notes := s.notes(t); !strings.Contains(notes, "Flux stays until they are gone") {
		t.Errorf("the notes do not say what is left to do:\n%s", notes)
	}
	// helm-controller takes its finalizer off.
	release.SetFinalizers(nil)
	if err := s.Update(t.Context(), release); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), release); err != nil {
		t.Fatal(err)
	}
	if off := s.mustInstall(t, map[string]any{}); len(off.of("Deployment")) != 1 || len(off.of("ValidatingAdmissionPolicy")) != 0 {
		t.Errorf("with no pool left there are %v", off.names())
	}
	s.checkRouterRights(t)

	s.mustInstall(t, gateOn()).one(t, "Deployment", "helm-controller")
	if err := s.Create(t.Context(), helmRelease("phi-4-inferencepool")); err != nil {
		t.Fatal(err)
	}
	s.uninstall(t)
	s.checkLeft(t, workspace)
	// What an uninstalled release left is no obstacle to the next.
	s.mustInstall(t, gateOn()).one(t, "Deployment", "helm-controller")
}

// checkRouterRights: helm-controller can remove a router after body-based routing went off, and no longer than that.
func (s *server) checkRouterRights(t *testing.T) {
	t.Helper()
	may := func(all objects) bool {
		text, err := json.Marshal(all.one(t, "ClusterRole", releaseName+"-pool-charts").Object)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), "envoyfilters")
	}
	on := gateOn()
	on["config"] = map[string]any{"gateway": map[string]any{"bodyBasedRouting": map[string]any{"enabled": true}}}
	router := helmRelease("inference-gateway-bbr")
	labels := router.GetLabels()
	labels["kaito.sh/gateway"] = router.GetName()
	router.SetLabels(labels)
	router.SetFinalizers(nil)
	for _, step := range []struct {
		name   string
		values map[string]any
		before func() error
		want   bool
	}{
		{"on", on, func() error { return s.Create(t.Context(), router) }, true},
		{"off", gateOn(), func() error { return nil }, true},
		{"off and removed", gateOn(), func() error { return s.Delete(t.Context(), router) }, false},
	} {
		if err := step.before(); err != nil {
			t.Fatal(err)
		}
		if got := may(s.mustInstall(t, step.values)); got != step.want {
			t.Errorf("body-based routing %s: helm-controller may write EnvoyFilters: %t", step.name, got)
		}
	}
}

func (s *server) notes(t *testing.T) string {
	t.Helper()
	last, err := s.helm(t, namespace).Releases.Last(releaseName)
	if err != nil {
		t.Fatal(err)
	}
	return released(t, last).Info.Notes
}

// checkLeft: an uninstalled chart has taken away all that it brought but the CRDs, and nothing that serves.
func (s *server) checkLeft(t *testing.T, workspace *unstructured.Unstructured) {
	t.Helper()
	for _, kind := range []string{"Deployment", "Service", "ConfigMap", "Secret", "PodDisruptionBudget", "Role", "RoleBinding"} {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(map[string]string{
			"Deployment": "apps/v1", "PodDisruptionBudget": "policy/v1",
			"Role": "rbac.authorization.k8s.io/v1", "RoleBinding": "rbac.authorization.k8s.io/v1",
		}[kind])
		if list.GetAPIVersion() == "" {
			list.SetAPIVersion("v1")
		}
		list.SetKind(kind)
		if err := s.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		for _, object := range list.Items {
			t.Errorf("left: %s %s", kind, object.GetName())
		}
	}
	for _, kept := range []*unstructured.Unstructured{workspace, helmRelease("phi-4-inferencepool")} {
		if err := s.Get(t.Context(), client.ObjectKeyFromObject(kept), kept); err != nil {
			t.Fatalf("gone with the chart: %v", err)
		}
		if kept.GetDeletionTimestamp() != nil {
			t.Errorf("%s %s is being deleted", kept.GetKind(), kept.GetName())
		}
	}
}

func (s *server) workspace(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(), "examples", "phi-4-mini-instruct.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	workspace := decode(t, string(text))[0]
	workspace.SetNamespace("models")
	if err := s.Create(t.Context(), workspace); err != nil {
		t.Fatal(err)
	}
	return workspace
}

func helmRelease(name string) *unstructured.Unstructured {
	release := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{"interval": "10m", "chartRef": map[string]any{"kind": "OCIRepository", "name": name}},
	}}
	release.SetAPIVersion("helm.toolkit.fluxcd.io/v2")
	release.SetKind("HelmRelease")
	release.SetNamespace("models")
	release.SetName(name)
	release.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "workspace-operator"})
	release.SetFinalizers([]string{"finalizers.fluxcd.io"})
	return release
}
