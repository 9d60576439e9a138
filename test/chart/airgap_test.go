// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/accelerator"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/preset"
	"github.com/workspace-operator/workspace-operator/internal/render/pool"
	"github.com/workspace-operator/workspace-operator/internal/render/workload"
)

const mirror = "mirror.corp.example:5000/kaito"

// TestAirGap: with registry set, no other registry is named in any object: of the chart, of the operator, and of the pools.
func TestAirGap(t *testing.T) {
	t.Parallel()
	with := values(t, cases(t, "values")["air-gapped"])
	all := rendered(t, with)
	for _, object := range all {
		// The descriptions of fields may name whom they like.
		if object.GetKind() != "CustomResourceDefinition" {
			checkHosts(t, object.GetKind()+" "+object.GetName(), object.Object)
		}
	}
	for _, pod := range all.pods(t) {
		for _, container := range pod.Spec.Containers {
			if !strings.HasPrefix(container.Image, mirror+"/") {
				t.Errorf("%s is pulled from elsewhere", container.Image)
			}
		}
	}
	config := all.config(t)
	if config.Registry != mirror {
		t.Fatalf("the operator's registry is %q", config.Registry)
	}
	plans := 0
	for _, dialect := range configv1alpha1.Dialects() {
		for _, version := range configv1alpha1.SupportedVersions(dialect) {
			one := configv1alpha1.Configuration{
				Registry: config.Registry, ImagePullSecrets: config.ImagePullSecrets, Flux: config.Flux, Gateway: config.Gateway,
			}
			one.FeatureGates.GatewayAPIInferenceExtension = true
			one.Chart = configv1alpha1.Chart{Dialect: dialect, Version: version}
			configv1alpha1.Default(&one)
			plans += checkOperator(t, one)
		}
	}
	checkRouter(t, config)
	if plans < 100 {
		t.Errorf("only %d plans were looked at", plans)
	}
}

// checkRouter: what routes by the body at a Gateway comes from the registry as well, in each version, and as it is pinned.
func checkRouter(t *testing.T, config configv1alpha1.Configuration) {
	t.Helper()
	host, _, _ := strings.Cut(mirror, "/")
	for _, version := range configv1alpha1.RouterVersions() {
		one := *config.DeepCopy()
		one.Gateway.BodyBasedRouting.Version = version
		configv1alpha1.Default(&one)
		pinned := one.Gateway.BodyBasedRouting
		objects, err := pool.RenderRouter(plan.NewRouter("gateways", "inference-gateway", metav1.OwnerReference{}, one))
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects {
			checkHosts(t, "the router "+version, object)
		}
		for i, digest := range []string{pinned.Digest, pinned.ImageDigest} {
			text, err := json.Marshal(objects[i])
			if err != nil {
				t.Fatal(err)
			}
			if digest == "" || !strings.Contains(string(text), digest) || !strings.Contains(string(text), host) {
				t.Errorf("the router's %T does not name the registry, or not the digest %q: %s", objects[i], digest, text)
			}
		}
	}
}

// checkOperator renders every preset on instance types of every size, and returns how many fit.
func checkOperator(t *testing.T, config configv1alpha1.Configuration) int {
	t.Helper()
	catalogue, err := preset.Default()
	if err != nil {
		t.Fatal(err)
	}
	instances, err := accelerator.Default()
	if err != nil {
		t.Fatal(err)
	}
	plans := checkTemplate(t, config)
	for _, name := range catalogue.Names() {
		model, err := catalogue.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, instance := range []string{"Standard_NC24ads_A100_v4", "Standard_ND96isr_H100_v5"} {
			ws := workspaceOf(&v1beta1.InferenceSpec{Preset: &v1beta1.PresetSpec{
				Name: name, PresetOptions: v1beta1.PresetOptions{ModelAccessSecret: "hf-token"},
			}})
			ws.Resource = v1beta1.ResourceSpec{InstanceType: instance, Count: new(int32(2))}
			if model.SupportsLoRA {
				ws.Inference.Adapters = []v1beta1.AdapterSpec{{Source: &v1beta1.DataSource{Name: "adapter", Image: ownImage}}}
			}
			p, err := plan.New(ws, model, plan.Facts{Config: config, Instances: instances})
			if err != nil {
				continue // it does not fit
			}
			plans++
			checkPlan(t, fmt.Sprintf("%s on %s with %s %s", name, instance, config.Chart.Dialect, config.Chart.Version), p)
		}
	}
	return plans
}

func checkPlan(t *testing.T, name string, p plan.Plan) {
	t.Helper()
	models, err := workload.Render(p)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	checkHosts(t, name, models, ownImage)
	objects, err := pool.Render(p, models.Shape())
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	checkHosts(t, name, objects.Repository)
	checkHosts(t, name, objects.Release)
	if !strings.HasPrefix(objects.Repository.Spec.URL, "oci://"+mirror+"/") {
		t.Errorf("%s: the chart is pulled from %s", name, objects.Repository.Spec.URL)
	}
	if p.Template == nil && !strings.HasPrefix(p.Server.Image, mirror+"/") {
		t.Errorf("%s: the model server is pulled from %s", name, p.Server.Image)
	}
}

// ownImage is what a user names in a Workspace. It is his own reference, in a template as in an adapter: who writes it says
// where it is, and the operator could not know that the mirror has it.
const ownImage = "registry.example/team/own:v1"

func workspaceOf(inference *v1beta1.InferenceSpec) *v1beta1.Workspace {
	return &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "w", Namespace: "models"}, Inference: inference}
}

// checkTemplate plans pods of the user's own, and returns how many plans that are.
func checkTemplate(t *testing.T, config configv1alpha1.Configuration) int {
	t.Helper()
	p, err := plan.NewTemplate(workspaceOf(&v1beta1.InferenceSpec{Template: &corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{
		{Name: "server", Image: ownImage, Ports: []corev1.ContainerPort{{ContainerPort: 5000}}},
	}}}}), plan.Facts{Config: config})
	if err != nil {
		t.Fatal(err)
	}
	checkPlan(t, "a template with "+config.Chart.Version, p)
	return 1
}

// checkHosts requires the mirror of every reference to an image or chart, wherever it is in an object. Only what the user
// wrote out in the Workspace itself stays as it is.
func checkHosts(t *testing.T, name string, object any, own ...string) {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var content any
	if err := json.Unmarshal(text, &content); err != nil {
		t.Fatal(err)
	}
	for _, found := range references("", content) {
		if !strings.HasPrefix(strings.TrimPrefix(found, "oci://"), mirror) && !slices.Contains(own, found) {
			t.Errorf("%s names %s", name, found)
		}
	}
}

// references are all strings of a value that name an image or a chart: by their key, or because they begin with a host.
// Files and patches are texts with more in them.
func references(key string, value any) []string {
	var all []string
	switch value := value.(type) {
	case map[string]any:
		for key, item := range value {
			all = append(all, references(key, item)...)
		}
		all = append(all, spread(value)...)
	case []any:
		for _, item := range value {
			all = append(all, references(key, item)...)
		}
	case string:
		if inner := contentOf(value); inner != nil {
			return references(key, inner)
		}
		if key == "image" || key == "reference" || isReference(key, value) {
			all = append(all, value)
		}
	}
	return all
}

// spread are the references that values of charts spread over two keys.
func spread(values map[string]any) []string {
	var all []string
	for _, pair := range [][2]string{{"hub", "name"}, {"registry", "repository"}} {
		first, ok := values[pair[0]].(string)
		if second, both := values[pair[1]].(string); ok && both {
			all = append(all, first+"/"+second)
		}
	}
	return all
}

// contentOf is what a text in YAML or JSON holds, nil if it is a text like any other.
func contentOf(text string) any {
	var content any
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		return nil
	}
	switch content.(type) {
	case map[string]any, []any:
		return content
	default:
		return nil
	}
}

// isReference tells a path that begins with a host from the names with a domain that Kubernetes is full of.
func isReference(key, value string) bool {
	if slices.Contains([]string{"apiVersion", "key", "topologyKey", "topologyKeys"}, key) {
		return false
	}
	return regexp.MustCompile(`^(oci://\S+|(localhost|[\w-]+(\.[\w-]+)+)(:\d+)?/\S+)$`).MatchString(value)
}

// TestReferences: what checkHosts looks for is found where it can be.
func TestReferences(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"image: vllm/vllm-openai:v1":                                      {"vllm/vllm-openai:v1"},
		"volumes: [{image: {reference: quay.io/a/b}}]":                    {"quay.io/a/b"},
		"url: oci://a/b":                                                  {"oci://a/b"},
		"args: [--from, registry.example:5000/a]":                         {"registry.example:5000/a"},
		"values: {image: {hub: ghcr.io/a, name: b, tag: v1}}":             {"ghcr.io/a", "ghcr.io/a/b"},
		"values: {image: {registry: ghcr.io, repository: a/b}}":           {"ghcr.io/a/b"},
		"data: {file: \"a: {image: docker.io/a}\\n\"}":                    {"docker.io/a"},
		"{apiVersion: rbac.authorization.k8s.io/v1, key: nvidia.com/gpu}": nil,
		"args: [--model, microsoft/Phi-4, --path, /mnt/a.b/c]":            nil,
	} {
		got := references("", values(t, text))
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}
