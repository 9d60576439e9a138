// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/pool"
)

// poolOf is a Workspace's pool, written by the operator's own renderer and installed by Flux.
type poolOf struct {
	server *server
	from   *registries
	plan   plan.Plan
	owner  *unstructured.Unstructured
}

// newPool starts a registry with two versions of the real chart, and what makes the Endpoint Picker available.
func newPool(t *testing.T, s *server, all objects) *poolOf {
	t.Helper()
	from := chartRegistry(t, "v1.4.0", "v1.5.0")
	config := all.config(t)
	if config.Flux.CertSecretRef == "" {
		config.Chart.URL, config.Flux.Insecure = "oci://"+from.open+"/"+chartPath, true
	} else {
		config.Chart.URL = "oci://" + from.closed + "/" + chartPath
		s.credentials(t, from, config.Flux)
	}
	workspace := s.workspace(t)
	name := workspace.GetName() + "-inferencepool"
	p := &poolOf{server: s, from: from, owner: workspace, plan: plan.Plan{
		Namespace: "models", Name: workspace.GetName(), Port: 5000,
		Owner: *metav1.NewControllerRef(workspace, workspace.GroupVersionKind()),
		Names: plan.Names{Pool: name, EPP: plan.EPPName(name)},
		Pool: &plan.Pool{
			Selector: map[string]string{"kaito.sh/workspace": workspace.GetName()},
			Chart:    config.Chart, EPP: config.EndpointPicker, Flux: config.Flux,
		},
	}}
	if config.Flux.ServiceAccountName != "" {
		s.installers(t)
	}
	act(t, p.makeAvailable)
	return p
}

// poolChart packs the published chart out of the module that holds it.
func poolChart(t *testing.T, version string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "sigs.k8s.io/gateway-api-inference-extension@"+version)
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	var module struct{ Dir, Error string }
	if decodeErr := json.Unmarshal(out, &module); decodeErr != nil || module.Dir == "" {
		t.Fatalf("downloading the chart %s: %v: %s", version, err, module.Error)
	}
	sources, dir := filepath.Join(module.Dir, "config", "charts"), t.TempDir()
	copyFiles(t, filepath.Join(sources, "inferencepool"), dir)
	copyFiles(t, filepath.Join(sources, "epplib"), filepath.Join(dir, "charts", "inference-extension"))
	loaded, err := loader.LoadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	loaded.Metadata.Version, loaded.Metadata.AppVersion = version, version
	archive, err := chartutil.Save(loaded, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// copyFiles leaves the modes of the module cache, which are read-only, behind.
func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// apply writes what the operator would write for a version of the chart.
func (p *poolOf) apply(t *testing.T, version string) {
	t.Helper()
	p.plan.Pool.Chart.Version, p.plan.Pool.EPP.Version = version, version
	objects, err := pool.Render(p.plan, plan.ShapeDeployment)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects.All() {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			t.Fatal(err)
		}
		delete(content, "status")
		config := client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: content})
		if err := p.server.Apply(t.Context(), config, client.FieldOwner("workspace-operator"), client.ForceOwnership); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *poolOf) repository() *unstructured.Unstructured {
	repository := &unstructured.Unstructured{}
	repository.SetAPIVersion("source.toolkit.fluxcd.io/v1")
	repository.SetKind("OCIRepository")
	repository.SetNamespace("models")
	repository.SetName(p.plan.Names.Pool)
	return repository
}

func (p *poolOf) release() *unstructured.Unstructured { return helmRelease(p.plan.Names.Pool) }

// waitFor waits until helm-controller has installed that version, and is content with it.
func (p *poolOf) waitFor(t *testing.T, version string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		release := p.release()
		if err := p.server.Get(ctx, client.ObjectKeyFromObject(release), release); err != nil {
			return err
		}
		ready := condition(release, "Ready")
		history, _, _ := unstructured.NestedSlice(release.Object, "status", "history")
		installed := ""
		if len(history) > 0 {
			newest, _ := history[0].(map[string]any)
			installed, _ = newest["chartVersion"].(string)
		}
		if !strings.HasPrefix("v"+installed, version) || ready["status"] != "True" {
			return fmt.Errorf("has chart %q, Ready is %v: %v", installed, ready["status"], ready["message"])
		}
		return nil
	})
}

func condition(object *unstructured.Unstructured, kind string) map[string]any {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, c := range conditions {
		if found, _ := c.(map[string]any); found["type"] == kind {
			return found
		}
	}
	return map[string]any{}
}

// damage deletes one of the chart's objects and asks for a repair, as the operator does.
func (p *poolOf) damage(t *testing.T) {
	t.Helper()
	epp := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: p.plan.Names.EPP}}
	if err := p.server.Delete(t.Context(), epp, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
		t.Fatal(err)
	}
	patch := []byte(`{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"now"}}}`)
	if err := p.server.Patch(t.Context(), p.release(), client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}
}

func (p *poolOf) waitRepaired(t *testing.T) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		return p.server.Get(ctx, client.ObjectKey{Namespace: "models", Name: p.plan.Names.EPP}, &appsv1.Deployment{})
	})
}

// delete waits until the release is gone, with all that it installed.
func (p *poolOf) delete(t *testing.T) {
	t.Helper()
	if err := p.server.Delete(t.Context(), p.release()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		release := p.release()
		err := p.server.Get(ctx, client.ObjectKeyFromObject(release), release)
		if err == nil {
			return fmt.Errorf("the release is still there: %v", condition(release, "Ready")["message"])
		}
		return client.IgnoreNotFound(err)
	})
	for _, object := range []client.Object{
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: p.plan.Names.EPP}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: p.plan.Names.EPP}},
	} {
		if err := p.server.Get(t.Context(), client.ObjectKeyFromObject(object), object); !apierrors.IsNotFound(err) {
			t.Errorf("left: %T %s (%v)", object, object.GetName(), err)
		}
	}
}

// makeAvailable does for the Endpoint Picker what the Deployment controller and a kubelet would.
func (p *poolOf) makeAvailable(ctx context.Context) error {
	var all appsv1.DeploymentList
	if err := p.server.List(ctx, &all, client.InNamespace("models")); err != nil {
		return err
	}
	var failed []error
	for i := range all.Items {
		d := &all.Items[i]
		if d.Status.ObservedGeneration == d.Generation {
			continue
		}
		n := *d.Spec.Replicas
		d.Status = appsv1.DeploymentStatus{
			ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n,
			Conditions: []appsv1.DeploymentCondition{
				{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, Reason: "MinimumReplicasAvailable"},
				{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable"},
			},
		}
		failed = append(failed, client.IgnoreNotFound(p.server.Status().Update(ctx, d)))
	}
	return errors.Join(failed...)
}
