// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/pool"
)

// newRouter is the body-based router of a Gateway, with the defaults where config leaves something open.
func newRouter(config configv1alpha1.Configuration) plan.Router {
	config.FeatureGates.GatewayAPIInferenceExtension = true
	config.Gateway.BodyBasedRouting.Enabled = true
	configv1alpha1.Default(&config)
	owner := metav1.OwnerReference{APIVersion: "gateway.networking.k8s.io/v1", Kind: "Gateway", Name: "inference-gateway", UID: "1"}
	return plan.NewRouter("gateways", "inference-gateway", owner, config)
}

// renderRouter returns what helm-controller would install for it.
func renderRouter(t *testing.T, r plan.Router) objects {
	t.Helper()
	flux, err := pool.RenderRouter(r)
	if err != nil {
		t.Fatal(err)
	}
	hr, ok := flux[1].(*helmv2.HelmRelease)
	if !ok {
		t.Fatalf("the release is a %T", flux[1])
	}
	loaded, err := loader.LoadDir(filepath.Join(moduleDir(t, r.Settings.Version), "config", "charts", "body-based-routing"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := install(t, archived(t, loaded, r.Settings.Version), hr)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, manifest)
}

// TestRouter: a namespace that enforces restricted Pod Security admits the router, all of it is in the Gateway's
// namespace and comes from the configured registry, and it is found and pulled as asked.
func TestRouter(t *testing.T) {
	const mirror = "mirror.corp.example:5000/kaito"
	r := newRouter(configv1alpha1.Configuration{Registry: mirror, ImagePullSecrets: []string{"mirror"}})
	rendered := renderRouter(t, r)
	var kinds []string
	for _, object := range rendered.all {
		kinds = append(kinds, object.Kind)
		if object.Namespace != r.Namespace {
			t.Errorf("%s %s is in namespace %q", object.Kind, object.Name, object.Namespace)
		}
	}
	slices.Sort(kinds)
	want := []string{"Deployment", "DestinationRule", "EnvoyFilter", "Role", "RoleBinding", "Service", "ServiceAccount"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
	deployment, ok := rendered.deployments[plan.RouterName(r.Gateway)]
	if !ok {
		t.Fatalf("the Deployment has another name: %v", rendered.deployments)
	}
	if refused := refusals(t, deployment.Spec.Template); len(refused) > 0 {
		t.Errorf("restricted Pod Security refuses: %v", refused)
	}
	pod := deployment.Spec.Template.Spec
	if image := pod.Containers[0].Image; !strings.HasPrefix(image, mirror+"/") {
		t.Errorf("pulled from %s", image)
	}
	if len(pod.ImagePullSecrets) != 1 || pod.ImagePullSecrets[0].Name != "mirror" {
		t.Errorf("pulled with %v", pod.ImagePullSecrets)
	}
	if readOnly := pod.Containers[0].SecurityContext.ReadOnlyRootFilesystem; readOnly == nil || !*readOnly {
		t.Error("the root file system can be written")
	}
	if *deployment.Spec.Replicas < 2 {
		t.Errorf("%d replicas: without it the Gateway refuses all requests", *deployment.Spec.Replicas)
	}
}
