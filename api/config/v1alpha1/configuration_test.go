// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
)

const (
	head   = "apiVersion: config.kaito.sh/v1alpha1\nkind: Configuration\n"
	digest = "sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
)

func defaults() v1alpha1.Configuration {
	return v1alpha1.Configuration{
		TypeMeta: metav1.TypeMeta{APIVersion: "config.kaito.sh/v1alpha1", Kind: "Configuration"},
		ModelServer: v1alpha1.ModelServer{
			Image: "docker.io/vllm/vllm-openai", Version: "v0.33.0", PullPolicy: corev1.PullIfNotPresent,
		},
		Chart: v1alpha1.Chart{
			Dialect: v1alpha1.DialectInferencePool,
			URL:     "oci://registry.k8s.io/gateway-api-inference-extension/charts/inferencepool",
			Version: "v1.5.0",
		},
		EndpointPicker: v1alpha1.EndpointPicker{
			Image: "registry.k8s.io/gateway-api-inference-extension/epp", Version: "v1.5.0", PullPolicy: corev1.PullIfNotPresent,
			Replicas: 1, FailureMode: v1alpha1.FailOpen,
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{
					corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("256Mi"),
				},
				Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
			},
		},
		Flux:    v1alpha1.Flux{InstallTimeout: metav1.Duration{Duration: 5 * time.Minute}},
		Gateway: v1alpha1.Gateway{Implementation: v1alpha1.ImplementationIstio, Probe: new(true)},
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		change     func(*v1alpha1.Configuration)
	}{
		{"defaults", "", func(*v1alpha1.Configuration) {}},
		{"gate", "featureGates: {gatewayAPIInferenceExtension: true}", func(c *v1alpha1.Configuration) {
			c.FeatureGates.GatewayAPIInferenceExtension = true
		}},
		{"older chart brings the picker of its version", "chart: {version: v1.3.1}", func(c *v1alpha1.Configuration) {
			c.Chart.Version, c.EndpointPicker.Version = "v1.3.1", "v1.3.1"
		}},
		{"other dialect", "chart: {dialect: llm-d-router-gateway}", func(c *v1alpha1.Configuration) {
			c.Chart = v1alpha1.Chart{
				Dialect: v1alpha1.DialectLLMDRouter, URL: "oci://ghcr.io/llm-d/charts/llm-d-router-gateway", Version: "v0.10.0",
			}
			c.EndpointPicker.Image, c.EndpointPicker.Version = "ghcr.io/llm-d/llm-d-router-endpoint-picker", "v0.10.0"
		}},
		{
			"own images", "modelServer: {image: registry.example:5000/vllm, version: v1}\nendpointPicker: {image: registry.example/epp, version: main}",
			func(c *v1alpha1.Configuration) {
				c.ModelServer.Image, c.ModelServer.Version = "registry.example:5000/vllm", "v1"
				c.EndpointPicker.Image, c.EndpointPicker.Version = "registry.example/epp", "main"
			},
		},
		{"pinned picker", "endpointPicker: {digest: \"" + digest + "\"}", func(c *v1alpha1.Configuration) {
			c.EndpointPicker.Digest = digest
		}},
		{"resources are taken whole", "endpointPicker: {resources: {requests: {cpu: \"2\"}}}", func(c *v1alpha1.Configuration) {
			c.EndpointPicker.Resources = corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}}
		}},
		{
			"gateway", "gateway: {default: {name: inference-gateway, namespace: gateways}, requestTimeout: 10m, probe: false, bodyBasedRouting: {enabled: true}}",
			func(c *v1alpha1.Configuration) {
				c.Gateway.Default = &v1alpha1.GatewayReference{Name: "inference-gateway", Namespace: "gateways"}
				c.Gateway.RequestTimeout.Duration, c.Gateway.Probe = 10*time.Minute, new(false)
				c.Gateway.BodyBasedRouting = v1alpha1.BodyBasedRouting{
					Enabled:  true,
					ChartURL: "oci://registry.k8s.io/gateway-api-inference-extension/charts/body-based-routing",
					Version:  "v1.5.0", Image: "registry.k8s.io/gateway-api-inference-extension/bbr", Replicas: 2,
					ModelsService: "workspace-operator-models",
				}
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := defaults()
			c.change(&want)
			got, err := v1alpha1.Decode([]byte(head + c.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			again := *got.DeepCopy()
			v1alpha1.Default(&again)
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("defaults change what they filled in:\n%s", diff)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", `have apiVersion "", kind ""`},
		{"apiVersion: config.kaito.sh/v1\nkind: Configuration", "write apiVersion: config.kaito.sh/v1alpha1"},
		{"a: b: c", "mapping values are not allowed"},
		{head + "kind: Configuration", `key "kind" already set`},
		{head + "featureGate: {}", `unknown field "featureGate"`},
		{head + "modelServer: {Image: a}", `unknown field "modelServer.Image"`},
		{head + "modelServer: {image: 1}", "cannot unmarshal number"},
		{head + "modelServer: {image: registry.example/vllm}", "modelServer.version: Required value"},
		{head + "modelServer: {image: \"registry.example/vllm:v1\", version: v1}", "modelServer.image: Invalid value"},
		{head + "modelServer: {digest: sha256:1}", "modelServer.digest: Invalid value"},
		{head + "modelServer: {pullPolicy: Sometimes}", `supported values: "Always", "IfNotPresent", "Never"`},
		{head + "modelServer: {env: [{name: A, value: b}, {name: A, value: c}]}", "modelServer.env[1].name: Duplicate value"},
		{head + "modelServer: {resources: {limits: {nvidia.com/gpu: 1}}}", "modelServer.resources.limits[nvidia.com/gpu]: Forbidden"},
		{head + "registry: https://mirror.example", "registry: Invalid value"},
		{head + "registry: mirror.example/", "registry: Invalid value"},
		{head + "imagePullSecrets: [a_b]", "imagePullSecrets: Invalid value"},
		{head + "chart: {dialect: helm}", `chart.dialect: Unsupported value: "helm": supported values: "inferencepool", "llm-d-router-gateway"`},
		{
			head + "chart: {version: v1.6.0}",
			`supported values: "v1.0.0", "v1.0.1", "v1.0.2", "v1.1.0", "v1.2.0", "v1.2.1", "v1.3.0", "v1.3.1", "v1.4.0", "v1.5.0"`,
		},
		{head + "chart: {dialect: llm-d-router-gateway, version: v1.5.0}", `supported values: "v0.9.0", "v0.10.0"`},
		{head + "chart: {url: \"https://example.com\"}", "must begin with oci://"},
		{head + "endpointPicker: {replicas: -1}", "endpointPicker.replicas: Invalid value"},
		{head + "endpointPicker: {failureMode: FailClosed}", `supported values: "FailOpen", "FailClose"`},
		{head + "endpointPicker: {digest: v1.5.0}", "endpointPicker.digest: Invalid value"},
		{head + "endpointPicker: {image: registry.example/epp}", "endpointPicker.version: Required value"},
		{head + "flux: {verify: {provider: cosign}}", "flux.verify.matchOIDCIdentity: Required value"},
		{head + "flux: {verify: {provider: pgp}}", `supported values: "cosign", "notation"`},
		{head + "flux: {verify: {provider: cosign, matchOIDCIdentity: [{issuer: \"(\", subject: a}]}}", "flux.verify.matchOIDCIdentity[0].issuer: Invalid value"},
		{head + "flux: {labels: {\"a b\": c}}", "flux.labels: Invalid value"},
		{head + "flux: {installTimeout: -1m}", "flux.installTimeout: Invalid value"},
		{head + "flux: {secretRef: A}", "flux.secretRef: Invalid value"},
		{head + "gateway: {default: {name: a}}", "gateway.default.namespace: Required value"},
		{head + "gateway: {default: {name: A, namespace: b}}", "gateway.default.name: Invalid value"},
		{head + "gateway: {implementation: nginx}", `supported values: "istio", "other"`},
		{head + "gateway: {requestTimeout: -1s}", "gateway.requestTimeout: Invalid value"},
		{
			head + "gateway: {bodyBasedRouting: {enabled: true, version: v1.2.1}}",
			`gateway.bodyBasedRouting.version: Unsupported value: "v1.2.1": supported values: "v1.3.0", "v1.3.1", "v1.4.0", "v1.5.0"`,
		},
		{head + "gateway: {bodyBasedRouting: {enabled: true, digest: v1.5.0}}", "gateway.bodyBasedRouting.digest: Invalid value"},
		{head + "gateway: {bodyBasedRouting: {enabled: true, imageDigest: sha256:1}}", "gateway.bodyBasedRouting.imageDigest: Invalid value"},
		{head + "gateway: {implementation: other, bodyBasedRouting: {enabled: true}}", "gateway.bodyBasedRouting.enabled: Forbidden"},
	} {
		_, err := v1alpha1.Decode([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\nerror %v\nwant %s", c.text, err, c.want)
		}
	}
}

// TestRedacted: what is printed has every field, but no value of an environment variable.
func TestRedacted(t *testing.T) {
	t.Parallel()
	config, err := v1alpha1.Decode([]byte(head + `modelServer: {env: [
  {name: HF_TOKEN, value: hf_secret}, {name: HTTPS_PROXY, value: "http://me:secret@proxy.example:3128"}, {name: EMPTY},
  {name: FROM, valueFrom: {secretKeyRef: {name: tokens, key: hf}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := *config.DeepCopy()
	want.ModelServer.Env[0].Value, want.ModelServer.Env[1].Value = "(not printed)", "(not printed)"
	if diff := cmp.Diff(want, config.Redacted()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if config.ModelServer.Env[0].Value != "hf_secret" {
		t.Error("the operator's own configuration has changed")
	}
}

// TestRefusalsHideSecrets: who writes a password into a URL does not find it in the log.
func TestRefusalsHideSecrets(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"registry: \"https://me:secret@mirror.example/kaito\"", "registry: \"me:secret@mirror.example\"",
		"modelServer: {image: \"me:secret@mirror.example/vllm\", version: v1}",
		"chart: {url: \"oci://me:secret@mirror.example/chart\"}", "chart: {url: \"https://me:secret@mirror.example/chart\"}",
		"endpointPicker: {image: \"me:sec@ret@mirror.example/epp\", version: v1}",
		"gateway: {bodyBasedRouting: {enabled: true, chartURL: \"https://me:secret@mirror.example/chart\"}}",
		"gateway: {bodyBasedRouting: {enabled: true, chartURL: \"oci://me:secret@mirror.example/chart\"}}",
	} {
		_, err := v1alpha1.Decode([]byte(head + text))
		if err == nil || strings.Contains(err.Error(), "ret@") || !strings.Contains(err.Error(), "mirror.example") {
			t.Errorf("%s\nerror %v", text, err)
		}
	}
}

// TestRouterFollowsChart: who upgrades the pool chart upgrades body-based routing with it, and no chart takes it back to an
// older one than the chart before.
func TestRouterFollowsChart(t *testing.T) {
	t.Parallel()
	versions := func(dialect v1alpha1.ChartDialect, own string) []string {
		var all []string
		for _, version := range v1alpha1.SupportedVersions(dialect) {
			c := v1alpha1.Configuration{Chart: v1alpha1.Chart{Dialect: dialect, Version: version}}
			c.Gateway.BodyBasedRouting = v1alpha1.BodyBasedRouting{Enabled: true, Version: own}
			v1alpha1.Default(&c)
			if err := c.Validate(); err != nil {
				t.Errorf("with %s %s: %v", dialect, version, err)
			}
			all = append(all, version+"="+c.Gateway.BodyBasedRouting.Version)
		}
		return all
	}
	for name, c := range map[string]struct{ have, want []string }{
		"inferencepool": {versions(v1alpha1.DialectInferencePool, ""), []string{
			"v1.0.0=v1.3.0", "v1.0.1=v1.3.0", "v1.0.2=v1.3.0", "v1.1.0=v1.3.0", "v1.2.0=v1.3.0", "v1.2.1=v1.3.0",
			"v1.3.0=v1.3.0", "v1.3.1=v1.3.1", "v1.4.0=v1.4.0", "v1.5.0=v1.5.0",
		}},
		"its successor, which has none": {versions(v1alpha1.DialectLLMDRouter, ""), []string{"v0.9.0=v1.5.0", "v0.10.0=v1.5.0"}},
		"chosen":                        {versions(v1alpha1.DialectLLMDRouter, "v1.4.0"), []string{"v0.9.0=v1.4.0", "v0.10.0=v1.4.0"}},
	} {
		if diff := cmp.Diff(c.want, c.have); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	_, err := v1alpha1.Decode([]byte(head + "registri: a\nmodelServer: {digest: x}\nendpointPicker: {replicas: -1}\n"))
	for _, part := range []string{"registri", "modelServer.digest", "endpointPicker.replicas"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not name %s", err, part)
		}
	}
}
