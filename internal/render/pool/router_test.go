// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"encoding/json"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/pool"
)

// TestRenderRouter: requests go to a router that listens, and responses pass it by.
func TestRenderRouter(t *testing.T) {
	t.Parallel()
	config := configv1alpha1.Configuration{}
	config.Gateway.BodyBasedRouting.Enabled = true
	configv1alpha1.Default(&config)
	objects, err := pool.RenderRouter(plan.NewRouter("gateways", "shared", metav1.OwnerReference{Name: "shared"}, config))
	if err != nil {
		t.Fatal(err)
	}
	checkOfGateway(t, objects)
	if len(objects) != 3 {
		t.Fatalf("rendered %v", objects)
	}
	release, ok := objects[1].(*helmv2.HelmRelease)
	if !ok {
		t.Fatalf("the second object is a %T", objects[1])
	}
	if values := string(release.Spec.Values.Raw); !strings.Contains(values, `"replicas":2`) || !strings.Contains(values, `"inferenceGateway":{"name":"shared"}`) {
		t.Errorf("values: %s", values)
	}
	text, err := json.Marshal(release.Spec.PostRenderers)
	if err != nil {
		t.Fatal(err)
	}
	patches := strings.NewReplacer(`\n`, " ", `\"`, "").Replace(string(text))
	for what, part := range map[string]string{
		"a probe of the port that gateways ask": "tcpSocket: { port: 9004",
		"a pause before it ends":                "preStop: { sleep: { seconds: 10",
		"a read-only root":                      "readOnlyRootFilesystem: true",
	} {
		if !strings.Contains(strings.Join(strings.Fields(patches), " "), part) {
			t.Errorf("no %s (%s) in %s", what, part, patches)
		}
	}
	if !strings.Contains(patches, "response_body_mode") || !strings.Contains(patches, "NONE") {
		t.Errorf("responses go through the router: %s", patches)
	}
}

// checkOfGateway: all that is rendered for the Gateway shared goes with it, and is found by the caches.
func checkOfGateway(t *testing.T, objects []pool.Object) {
	t.Helper()
	for _, object := range objects {
		if object.GetName() != "shared-bbr" || object.GetNamespace() != "gateways" || object.GetOwnerReferences()[0].Name != "shared" {
			t.Errorf("%T %s/%s of %v", object, object.GetNamespace(), object.GetName(), object.GetOwnerReferences())
		}
		want := map[string]string{v1beta1.LabelManagedBy: v1beta1.ManagedBy, v1beta1.LabelWorkspace: "", v1beta1.LabelGateway: "shared-bbr"}
		if diff := cmp.Diff(want, object.GetLabels()); diff != "" {
			t.Errorf("labels of the %T (-want +got):\n%s", object, diff)
		}
	}
}

// TestRenderRouterPinned: digests go where they count, and one router alone has no budget, which could only hold up drains.
func TestRenderRouterPinned(t *testing.T) {
	t.Parallel()
	chart, image := "sha256:"+strings.Repeat("0f", 32), "sha256:"+strings.Repeat("f0", 32)
	config := configv1alpha1.Configuration{}
	config.Gateway.BodyBasedRouting = configv1alpha1.BodyBasedRouting{Enabled: true, Digest: chart, ImageDigest: image, Replicas: 1}
	configv1alpha1.Default(&config)
	r := plan.NewRouter("gateways", "shared", metav1.OwnerReference{Name: "shared"}, config)
	objects, err := pool.RenderRouter(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 {
		t.Fatalf("rendered %v", objects)
	}
	text, err := json.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"ref":{"digest":"` + chart + `","tag":"v1.5.0"}`, `"tag":"v1.5.0@` + image + `"`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %s in %s", part, text)
		}
	}
	r.Settings.Version = "v1.2.1"
	const want = "body-based routing v1.2.1 is not supported: choose one of v1.3.0, v1.3.1, v1.4.0, v1.5.0"
	if _, err := pool.RenderRouter(r); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
