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
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
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

// routersOf are the routers of all versions, by version.
func routersOf(config configv1alpha1.Configuration) map[string]plan.Router {
	all := map[string]plan.Router{}
	for _, version := range configv1alpha1.RouterVersions() {
		config.Gateway.BodyBasedRouting.Version = version
		all[version] = newRouter(config)
	}
	return all
}

// TestRouter: a namespace that enforces restricted Pod Security admits the router, all of it is in the Gateway's
// namespace and comes from the configured registry, and it is found and pulled as asked.
func TestRouter(t *testing.T) {
	const mirror = "mirror.corp.example:5000/kaito"
	config := configv1alpha1.Configuration{Registry: mirror, ImagePullSecrets: []string{"mirror"}}
	config.Gateway.BodyBasedRouting.ImageDigest = "sha256:" + strings.Repeat("0f", 32)
	for version, r := range routersOf(config) {
		t.Run(version, func(t *testing.T) {
			rendered := renderRouter(t, r)
			kinds := []string{}
			for _, object := range rendered.all {
				kinds = append(kinds, object.Namespace+"/"+object.Kind)
			}
			slices.Sort(kinds)
			want := []string{"Deployment", "DestinationRule", "EnvoyFilter", "Role", "RoleBinding", "Service", "ServiceAccount"}
			for i := range want {
				want[i] = r.Namespace + "/" + want[i]
			}
			if diff := cmp.Diff(want, kinds); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
			deployment := checkDeployment(t, r, rendered.deployments)
			image := mirror + "/gateway-api-inference-extension/bbr:" + version + "@" + r.Settings.ImageDigest
			if diff := cmp.Diff(image, deployment.Spec.Template.Spec.Containers[0].Image); diff != "" {
				t.Errorf("image (-want +got):\n%s", diff)
			}
		})
	}
}

// checkDeployment returns the router's Deployment.
func checkDeployment(t *testing.T, r plan.Router, all map[string]appsv1.Deployment) appsv1.Deployment {
	t.Helper()
	deployment, ok := all[plan.RouterName(r.Gateway)]
	if !ok {
		t.Fatalf("the Deployment has another name: %v", all)
	}
	if *deployment.Spec.Replicas < 2 {
		t.Errorf("%d replicas: without it the Gateway refuses all requests", *deployment.Spec.Replicas)
	}
	checkFound(t, r, deployment)
	checkRouterPod(t, deployment.Spec.Template)
	return deployment
}

// checkFound: the operator's caches hold the Deployment and its pods, and the budget is for these pods.
func checkFound(t *testing.T, r plan.Router, deployment appsv1.Deployment) {
	t.Helper()
	if value, ok := deployment.Labels[v1beta1.LabelWorkspace]; !ok || value != "" {
		t.Errorf("labels of the Deployment: %v", deployment.Labels)
	}
	pod := deployment.Spec.Template.Labels
	if pod[v1beta1.LabelManagedBy] != v1beta1.ManagedBy || pod[v1beta1.LabelGateway] != r.Name {
		t.Errorf("labels of the pods: %v", pod)
	}
	if _, ok := pod[v1beta1.LabelWorkspace]; ok {
		t.Errorf("the pods look like those of a model: %v", pod)
	}
	objects, err := pool.RenderRouter(r)
	if err != nil {
		t.Fatal(err)
	}
	budget, ok := objects[2].(*policyv1.PodDisruptionBudget)
	if !ok {
		t.Fatalf("the third object is a %T", objects[2])
	}
	selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
	if err != nil {
		t.Fatal(err)
	}
	if !selector.Matches(labels.Set(pod)) {
		t.Errorf("the budget selects %s, the pods have %v", selector, pod)
	}
}

func checkRouterPod(t *testing.T, template corev1.PodTemplateSpec) {
	t.Helper()
	if refused := refusals(t, template); len(refused) > 0 {
		t.Errorf("restricted Pod Security refuses: %v", refused)
	}
	pod := template.Spec
	if len(pod.ImagePullSecrets) != 1 || pod.ImagePullSecrets[0].Name != "mirror" {
		t.Errorf("pulled with %v", pod.ImagePullSecrets)
	}
	container := pod.Containers[0]
	if readOnly := container.SecurityContext.ReadOnlyRootFilesystem; readOnly == nil || !*readOnly {
		t.Error("the root file system can be written")
	}
	// v1.4.0 does not know the plugin that its chart names by default; v1.5.0 knows those.
	if i := slices.Index(container.Args, "--plugin"); i >= 0 && strings.HasPrefix(container.Args[i+1], "default-bbr") {
		t.Errorf("the router ends as soon as it starts: %v", container.Args)
	}
}

// TestRouterScope: of two Gateways in one namespace each asks its own router, sidecars ask none, answers pass it by, and it
// cannot be mistaken for the filter that asks Endpoint Pickers.
func TestRouterScope(t *testing.T) {
	for version, r := range routersOf(configv1alpha1.Configuration{}) {
		t.Run(version, func(t *testing.T) {
			other := r
			other.Gateway, other.Name = "another", plan.RouterName("another")
			checkScope(t, r)
			checkScope(t, other)
		})
	}
}

func checkScope(t *testing.T, r plan.Router) {
	t.Helper()
	rendered := renderRouter(t, r)
	checkFilter(t, r, rendered.filters[r.Name])
	for name, rule := range rendered.rules {
		if want := r.Name + "." + r.Namespace + ".svc.cluster.local"; rule.Spec.Host != want {
			t.Errorf("DestinationRule %s is for %s, not %s alone", name, rule.Spec.Host, want)
		}
	}
	for _, object := range rendered.all {
		if !strings.HasPrefix(object.Name, r.Name) {
			t.Errorf("%s %s is not the router's own", object.Kind, object.Name)
		}
	}
}

func checkFilter(t *testing.T, r plan.Router, filter envoyFilter) {
	t.Helper()
	want := []targetRef{{Group: "gateway.networking.k8s.io", Kind: "Gateway", Name: r.Gateway}}
	if diff := cmp.Diff(want, filter.Spec.TargetRefs); diff != "" {
		t.Errorf("targetRefs (-want +got):\n%s", diff)
	}
	if len(filter.Spec.ConfigPatches) != 1 {
		t.Fatalf("%d patches of Envoy's configuration", len(filter.Spec.ConfigPatches))
	}
	hook := filter.Spec.ConfigPatches[0]
	got := []string{hook.ApplyTo, hook.Match.Context, hook.Patch.Operation, hook.Patch.Value.Name}
	if diff := cmp.Diff([]string{"HTTP_FILTER", "GATEWAY", "INSERT_FIRST", "envoy.filters.http.ext_proc.bbr"}, got); diff != "" {
		t.Errorf("hook (-want +got):\n%s", diff)
	}
	config := hook.Patch.Value.TypedConfig
	wantConfig := map[string]any{
		"@type":              "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
		"failure_mode_allow": false, "allow_mode_override": true, "message_timeout": "1000s",
		"processing_mode": map[string]any{
			"request_header_mode": "SEND", "request_body_mode": "FULL_DUPLEX_STREAMED", "request_trailer_mode": "SEND",
			"response_header_mode": "SKIP", "response_body_mode": "NONE", "response_trailer_mode": "SKIP",
		},
		"grpc_service": map[string]any{"envoy_grpc": map[string]any{
			"cluster_name": "outbound|9004||" + r.Name + "." + r.Namespace + ".svc.cluster.local",
		}},
	}
	if diff := cmp.Diff(wantConfig, config); diff != "" {
		t.Errorf("configuration of the filter (-want +got):\n%s", diff)
	}
}
