// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/pool"
)

func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite the golden files")
	os.Exit(m.Run())
}

func dialects() []configv1alpha1.ChartDialect {
	return []configv1alpha1.ChartDialect{configv1alpha1.DialectInferencePool, configv1alpha1.DialectLLMDRouter}
}

// example is the smallest plan with a pool: everything else is left to the defaults.
func example() plan.Plan {
	return plan.Plan{
		Namespace: "models", Name: "phi-4",
		Owner: metav1.OwnerReference{
			APIVersion: "kaito.sh/v1beta1", Kind: "Workspace", Name: "phi-4", UID: "5e2c",
			Controller: new(true), BlockOwnerDeletion: new(true),
		},
		Names: plan.Names{Pool: "phi-4-inferencepool", EPP: "phi-4-inferencepool-epp"},
		Port:  5000,
		Pool:  &plan.Pool{Selector: map[string]string{v1beta1.LabelWorkspace: "phi-4"}},
	}
}

// replicated has a stand-by EPP, and images that need a secret.
func replicated(p plan.Plan) plan.Plan {
	p.Pool.EPP.Replicas = 2
	p.Pool.ImagePullSecrets = []string{"mirror"}
	return p
}

// certified has an EPP that serves a certificate which the gateway verifies.
func certified(p plan.Plan) plan.Plan {
	p.Pool.TLSSecret = "phi-4-inferencepool-epp-tls"
	return p
}

// configured sets all that can be set.
func configured(p plan.Plan) plan.Plan {
	p.Pool.Registry = "mirror.corp.example:5000/kaito"
	p.Pool.Chart.Digest = "sha256:" + strings.Repeat("0f", 32)
	p.Pool.EPP = configv1alpha1.EndpointPicker{
		Image: "registry.corp.example/ai/epp", Version: "v1.3.1", Digest: "sha256:" + strings.Repeat("e0", 32),
		PullPolicy: corev1.PullAlways, Replicas: 3, FailureMode: configv1alpha1.FailClose,
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m")},
		},
	}
	p.Pool.Flux = configv1alpha1.Flux{
		Labels:    map[string]string{"sharding.fluxcd.io/key": "shard1", v1beta1.LabelManagedBy: "somebody-else"},
		SecretRef: "pull", CertSecretRef: "ca", ProxySecretRef: "proxy", Insecure: true,
		ServiceAccountName: "pool-installer",
		InstallTimeout:     metav1.Duration{Duration: 90 * time.Second},
		Verify: &configv1alpha1.Verify{Provider: "cosign", SecretRef: "keys", MatchOIDCIdentity: []configv1alpha1.OIDCIdentity{
			{Issuer: "^https://accounts.google.com$", Subject: "^k8s-infra-.*$"},
		}},
	}
	return p
}

type golden struct {
	name  string
	plan  plan.Plan
	shape plan.Shape
}

func goldens() []golden {
	var all []golden
	for _, dialect := range dialects() {
		for _, version := range pool.Supported(dialect) {
			choose := func(p plan.Plan) plan.Plan {
				p.Pool.Chart.Dialect, p.Pool.Chart.Version = dialect, version
				return p
			}
			dir := filepath.Join(string(dialect), version)
			all = append(all,
				golden{filepath.Join(dir, "deployment"), choose(example()), plan.ShapeDeployment},
				golden{filepath.Join(dir, "statefulset"), choose(replicated(example())), plan.ShapeStatefulSet},
				golden{filepath.Join(dir, "configured"), choose(configured(example())), plan.ShapeDeployment},
			)
			if configv1alpha1.ServesCertificates(dialect, version) {
				all = append(all, golden{filepath.Join(dir, "certificate"), choose(certified(example())), plan.ShapeDeployment})
			}
		}
	}
	return append(all, golden{"defaults", example(), plan.ShapeDeployment})
}

func TestRenderGolden(t *testing.T) {
	t.Parallel()
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			objects, err := pool.Render(g.plan, g.shape)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, filepath.Join("testdata", g.name+".yaml"), manifest(t, objects))
		})
	}
}

func manifest(t *testing.T, objects pool.Objects) []byte {
	t.Helper()
	var all [][]byte
	for _, object := range objects.All() {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			t.Fatal(err)
		}
		// The API's types have no way to leave out an empty status.
		delete(fields, "status")
		text, err := yaml.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	return bytes.Join(all, []byte("---\n"))
}

func compare(t *testing.T, path string, got []byte) {
	t.Helper()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	const rendering = "rendering the pool of models/phi-4: "
	cases := map[string]struct {
		change func(*plan.Plan)
		shape  plan.Shape
		want   string
	}{
		"no pool":     {change: func(p *plan.Plan) { p.Pool = nil }, want: "the plan has no pool"},
		"no names":    {change: func(p *plan.Plan) { p.Names.EPP = "" }, want: "the plan has no names for the pool and its endpoint picker"},
		"no port":     {change: func(p *plan.Plan) { p.Port = 0 }, want: "the plan has no port"},
		"no selector": {change: func(p *plan.Plan) { p.Pool.Selector = nil }, want: "the plan has no selector"},
		"failure mode": {
			change: func(p *plan.Plan) { p.Pool.EPP.FailureMode = "FailClosed" },
			want:   `the failure mode "FailClosed" is not known`,
		},
		"pull secret": {
			change: func(p *plan.Plan) { p.Pool.ImagePullSecrets = []string{"good", "a\u0085b"} },
			want: `the plan has an invalid name "a\u0085b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric ` +
				`characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for ` +
				`validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
		},
		"shape": {shape: "DaemonSet", want: `the workload's shape "DaemonSet" is not known`},
		"dialect": {
			change: func(p *plan.Plan) { p.Pool.Chart.Dialect = "bitnami" },
			want:   `chart dialect "bitnami" is not supported: choose one of inferencepool, llm-d-router-gateway`,
		},
		"version": {
			change: func(p *plan.Plan) { p.Pool.Chart.Version = "v1.6.0" },
			want: "chart inferencepool v1.6.0 is not supported: choose one of v1.0.0, v1.0.1, v1.0.2, v1.1.0, v1.2.0, v1.2.1, " +
				"v1.3.0, v1.3.1, v1.4.0, v1.5.0",
		},
		"version of the other dialect": {
			change: func(p *plan.Plan) {
				p.Pool.Chart.Dialect, p.Pool.Chart.Version = configv1alpha1.DialectLLMDRouter, "v1.5.0"
			},
			want: "chart llm-d-router-gateway v1.5.0 is not supported: choose one of v0.9.0, v0.10.0",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := example()
			if c.change != nil {
				c.change(&p)
			}
			shape := c.shape
			if shape == "" {
				shape = plan.ShapeDeployment
			}
			_, err := pool.Render(p, shape)
			if err == nil {
				t.Fatal("it was rendered")
			}
			if diff := cmp.Diff(rendering+c.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRenderLongNames is the border at which charts v1.0.1 to v1.1.0 render invalid YAML; test/charts shows that they do.
func TestRenderLongNames(t *testing.T) {
	t.Parallel()
	for _, version := range pool.Supported(configv1alpha1.DialectInferencePool) {
		for _, namespace := range []int{37, 38} {
			p := example()
			p.Pool.Chart.Version = version
			p.Names.Pool, p.Namespace = strings.Repeat("p", 40), strings.Repeat("n", namespace)
			_, err := pool.Render(p, plan.ShapeDeployment)
			terminal, refused := errors.AsType[*outcome.Terminal](err)
			broken := version == "v1.0.1" || version == "v1.0.2" || version == "v1.1.0"
			if want := broken && namespace > 37; refused != want {
				t.Errorf("%s with a namespace of %d: refused=%t, want %t (%v)", version, namespace, refused, want, err)
			}
			if refused && terminal.Reason != v1beta1.ReasonInstallFailed {
				t.Errorf("%s: reason %s", version, terminal.Reason)
			}
		}
	}
}

func TestSupported(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(dialects(), configv1alpha1.Dialects()); diff != "" {
		t.Error(diff)
	}
	for _, dialect := range dialects() {
		if diff := cmp.Diff(configv1alpha1.SupportedVersions(dialect), pool.Supported(dialect)); diff != "" {
			t.Errorf("the configuration accepts other versions of %s than can be rendered:\n%s", dialect, diff)
		}
	}
	if got := pool.Supported("bitnami"); got != nil {
		t.Errorf("got %v", got)
	}
}

func BenchmarkRender(b *testing.B) {
	p := configured(example())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pool.Render(p, plan.ShapeStatefulSet); err != nil {
			b.Fatal(err)
		}
	}
}
