// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	plans := 0
	for _, name := range catalogue.Names() {
		model, err := catalogue.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, instance := range []string{"Standard_NC24ads_A100_v4", "Standard_ND96isr_H100_v5"} {
			p, err := plan.New(&v1beta1.Workspace{
				ObjectMeta: metav1.ObjectMeta{Name: "w", Namespace: "models"},
				Resource:   v1beta1.ResourceSpec{InstanceType: instance, Count: new(int32(2))},
				Inference: &v1beta1.InferenceSpec{Preset: &v1beta1.PresetSpec{
					Name: name, PresetOptions: v1beta1.PresetOptions{ModelAccessSecret: "hf-token"},
				}},
			}, model, plan.Facts{Config: config, Instances: instances})
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
	checkHosts(t, name, models)
	objects, err := pool.Render(p, models.Shape())
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	checkHosts(t, name, objects.Repository)
	checkHosts(t, name, objects.Release)
	if !strings.HasPrefix(objects.Repository.Spec.URL, "oci://"+mirror+"/") {
		t.Errorf("%s: the chart is pulled from %s", name, objects.Repository.Spec.URL)
	}
	if !strings.HasPrefix(p.Server.Image, mirror+"/") {
		t.Errorf("%s: the model server is pulled from %s", name, p.Server.Image)
	}
}

// checkHosts looks for the hosts of public registries anywhere in an object.
func checkHosts(t *testing.T, name string, object any) {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	hosts := regexp.MustCompile(`(?i)(registry\.k8s\.io|ghcr\.io|docker\.io|quay\.io|gcr\.io|mcr\.microsoft\.com|nvcr\.io|public\.ecr\.aws)[^"]*`)
	if found := hosts.FindString(string(text)); found != "" {
		t.Errorf("%s names %s", name, found)
	}
}
