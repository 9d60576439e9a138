// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

var update = flag.Bool("update", false, "rewrite golden files")

// refusal is a manifest, without apiVersion, kind and metadata, that the API server must refuse; or a change from one to
// another.
type refusal struct {
	name, create, update string
	// object is the Workspace's name if it matters.
	object string
}

func refusals() []refusal {
	const (
		preset   = "inference: {preset: {name: phi-4-mini-instruct}}"
		template = "inference: {template: {spec: {containers: [{name: c, image: i}]}}}"
	)
	adapters := func(list string) string { return "inference: {preset: {name: phi-4}, adapters: [" + list + "]}" }
	items := func(n int, format string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(strings.ReplaceAll(format, "#", "%[1]d"), i))
		}
		return strings.Join(all, ", ")
	}
	long := func(n int) string { return strings.Repeat("x", n) }
	return []refusal{
		{name: "nothing to serve", create: "resource: {}"},
		{name: "neither preset nor template", create: "inference: {replicas: 1}"},
		{name: "preset and template", create: "inference: {preset: {name: phi-4}, template: {spec: {containers: [{name: c, image: i}]}}}"},
		{name: "tuning", create: "tuning: {preset: {name: phi-4}, method: qlora, input: {urls: [a]}, output: {image: b}}"},
		{name: "tuning beside inference", create: preset + "\ntuning: {method: lora}"},
		{name: "adapters of a template", create: "inference: {template: {spec: {}}, adapters: [{source: {name: a, image: i}}]}"},
		{name: "config of a template", create: "inference: {template: {spec: {}}, config: c}"},
		{name: "name too long", object: long(64), create: preset},
		{name: "name with dots", object: "phi-3.5", create: preset},
		{name: "preset without name", create: "inference: {preset: {accessMode: public}}"},
		{name: "empty preset name", create: "inference: {preset: {name: \"\"}}"},
		{name: "preset name too long", create: "inference: {preset: {name: " + long(64) + "}}"},
		{name: "unknown access mode", create: "inference: {preset: {name: phi-4, accessMode: secret}}"},
		{name: "token secret too long", create: "inference: {preset: {name: phi-4, presetOptions: {modelAccessSecret: " + long(254) + "}}}"},
		{name: "too many pull secrets", create: "inference: {preset: {name: phi-4, presetOptions: {imagePullSecrets: [" + items(11, "s#") + "]}}}"},
		{name: "config name too long", create: "inference: {preset: {name: phi-4}, config: " + long(254) + "}"},
		{name: "negative replicas", create: "inference: {preset: {name: phi-4}, replicas: -1}"},
		{name: "too many replicas", create: "inference: {preset: {name: phi-4}, replicas: 1001}"},
		{name: "replicas in words", create: "inference: {preset: {name: phi-4}, replicas: two}"},
		{name: "negative spec.replicas", create: preset + "\nspec: {replicas: -1}"},
		{name: "too many spec.replicas", create: preset + "\nspec: {replicas: 1001}"},
		{name: "negative count", create: preset + "\nresource: {count: -1}"},
		{name: "instance type too long", create: preset + "\nresource: {instanceType: " + long(64) + "}"},
		{name: "too many preferred nodes", create: preset + "\nresource: {preferredNodes: [" + items(101, "n#") + "]}"},
		{name: "nothing may be replaced", create: "inference: {preset: {name: phi-4}, rollout: {maxSurge: 0, maxUnavailable: 0}}"},
		{name: "no surge and nothing else", create: "inference: {preset: {name: phi-4}, rollout: {maxSurge: 0}}"},
		{name: "too many adapters", create: adapters(items(11, "{source: {name: a#, image: i}}"))},
		{name: "adapters of one name", create: adapters("{source: {name: a, image: i}}, {source: {name: a, image: j}}")},
		{name: "adapter without source", create: adapters("{strength: \"1.0\"}")},
		{name: "adapter without name", create: adapters("{source: {image: i}}")},
		{name: "adapter with an empty name", create: adapters("{source: {name: \"\", image: i}}")},
		{name: "adapter with a bad name", create: adapters("{source: {name: A_b, image: i}}")},
		{name: "adapter name too long", create: adapters("{source: {name: " + long(64) + ", image: i}}")},
		{name: "adapter without files", create: adapters("{source: {name: a}}")},
		{name: "adapter with two sources", create: adapters("{source: {name: a, image: i, urls: [u]}}")},
		{name: "adapter image too long", create: adapters("{source: {name: a, image: " + long(513) + "}}")},
		{name: "too many urls", create: adapters("{source: {name: a, urls: [" + items(101, "u#") + "]}}")},
		{name: "too many adapter pull secrets", create: adapters("{source: {name: a, image: i, imagePullSecrets: [" + items(11, "s#") + "]}}")},
		{name: "strength above 1", create: adapters("{source: {name: a, image: i}, strength: \"1.5\"}")},
		{name: "strength in words", create: adapters("{source: {name: a, image: i}, strength: half}")},
		{name: "no route at a Gateway", create: "inference: {preset: {name: phi-4}, gateway: {mode: None, hostnames: [a.example]}}"},
		{name: "models of no route", create: "inference: {template: {spec: {}}, gateway: {mode: None, models: [a]}}"},
		{name: "models of a preset", create: "inference: {preset: {name: phi-4}, gateway: {models: [a]}}"},
		{name: "no models", create: "inference: {template: {spec: {}}, gateway: {models: []}}"},
		{name: "too many models", create: "inference: {template: {spec: {}}, gateway: {models: [" + items(17, "m#") + "]}}"},
		{name: "a model twice", create: "inference: {template: {spec: {}}, gateway: {models: [a, a]}}"},
		{name: "a model's name too long", create: "inference: {template: {spec: {}}, gateway: {models: [" + long(254) + "]}}"},
		{name: "a model's name with a space", create: "inference: {template: {spec: {}}, gateway: {models: [my model]}}"},
		{name: "namespace that is none", create: "inference: {preset: {name: phi-4}, gateway: {parentRefs: [{name: a, namespace: A_b}]}}"},
		{name: "listener that is none", create: "inference: {preset: {name: phi-4}, gateway: {parentRefs: [{name: a, sectionName: HTTP}]}}"},
		{name: "Gateway named twice", create: "inference: {preset: {name: phi-4}, gateway: {parentRefs: [{name: a}, {name: a}]}}"},
		{name: "unknown route mode", create: "inference: {preset: {name: phi-4}, gateway: {mode: Auto}}"},
		{name: "another preset", create: preset, update: "inference: {preset: {name: phi-4}}"},
		{name: "from preset to template", create: preset, update: template},
		{name: "from template to preset", create: template, update: preset},
		{name: "inference removed", create: preset, update: "resource: {}"},
		{
			name: "inference.replicas that has no effect", create: preset + "\nspec: {replicas: 2}",
			update: "inference: {preset: {name: phi-4-mini-instruct}, replicas: 3}\nspec: {replicas: 2}",
		},
	}
}

// TestRefused sends each manifest to the API server and compares its words with the golden file.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	var have strings.Builder
	for i, r := range refusals() {
		name := r.object
		if name == "" {
			name = fmt.Sprintf("refused-%d", i)
		}
		err := s.Create(s.t.Context(), s.manifest(name, r.create), client.DryRunAll)
		if r.update != "" {
			s.Expect(s.Create(s.t.Context(), s.manifest(name, r.create))).To(gomega.Succeed(), r.name)
			changed, current := s.manifest(name, r.update), s.manifest(name, "")
			s.Expect(s.get(current, name)).To(gomega.BeTrue())
			changed.SetResourceVersion(current.GetResourceVersion())
			err = s.Update(s.t.Context(), changed)
		}
		refused, ok := errors.AsType[*apierrors.StatusError](err)
		if !ok {
			t.Errorf("%s: want a refusal, have %v", r.name, err)
			continue
		}
		fmt.Fprintln(&have, r.name)
		for _, cause := range refused.Status().Details.Causes {
			fmt.Fprintf(&have, "  %s: %s\n", cause.Field, cause.Message)
		}
	}
	golden(t, "refusals.golden", have.String())
}

// TestRulesAreTested proves that no rule of the CRD lacks a case above.
func TestRulesAreTested(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("testdata", "refusals.golden"))
	if err != nil {
		t.Fatal(err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	manifest, err := os.ReadFile(filepath.Join(workspaceCRD(), "kaito.sh_workspaces.yaml"))
	if err == nil {
		err = yaml.Unmarshal(manifest, crd)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range crd.Spec.Versions {
		rules := messages(version.Schema.OpenAPIV3Schema)
		if len(rules) < 10 {
			t.Errorf("%s: only %d rules found", version.Name, len(rules))
		}
		for _, message := range rules {
			if !strings.Contains(string(text), ": "+message+"\n") {
				t.Errorf("%s: no case shows: %s", version.Name, message)
			}
		}
	}
}

func messages(schema *apiextensionsv1.JSONSchemaProps) []string {
	var found []string
	for _, rule := range schema.XValidations {
		found = append(found, rule.Message)
	}
	for _, property := range schema.Properties {
		found = append(found, messages(&property)...)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		found = append(found, messages(schema.Items.Schema)...)
	}
	return found
}

func golden(t *testing.T, name, have string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), have); diff != "" {
		t.Errorf("%s (-want +have):\n%s", path, diff)
	}
}

func (s *scene) manifest(name, text string) *unstructured.Unstructured {
	s.t.Helper()
	u := &unstructured.Unstructured{}
	s.Expect(yaml.UnmarshalStrict([]byte(text), &u.Object)).To(gomega.Succeed(), text)
	if u.Object == nil {
		u.Object = map[string]any{}
	}
	u.SetAPIVersion(v1beta1.GroupVersion.String())
	u.SetKind("Workspace")
	u.SetName(name)
	u.SetNamespace(s.namespace)
	return u
}

// TestChanges are those that v0.7 of KAITO refused or that its users make every day.
func TestChanges(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	const preset = "preset: {name: phi-4-mini-instruct}"
	for i, c := range []struct{ name, from, to string }{
		{"instance type", "inference: {" + preset + "}", "inference: {" + preset + "}\nresource: {instanceType: g5.4xlarge}"},
		{"labels", "inference: {" + preset + "}", "inference: {" + preset + "}\nresource: {labelSelector: {matchLabels: {a: b}}}"},
		{"count", "inference: {" + preset + "}\nresource: {count: 1}", "inference: {" + preset + "}\nresource: {count: 4}"},
		{"replicas", "inference: {" + preset + "}", "inference: {" + preset + ", replicas: 3}"},
		{"spec.replicas together with inference.replicas", "inference: {" + preset + "}\nspec: {replicas: 2}", "inference: {" + preset + ", replicas: 3}\nspec: {replicas: 3}"},
		{"spec.replicas removed", "inference: {" + preset + "}\nspec: {replicas: 2}", "inference: {" + preset + ", replicas: 3}"},
		{"config", "inference: {" + preset + "}", "inference: {" + preset + ", config: c}"},
		{"adapters", "inference: {" + preset + "}", "inference: {" + preset + ", adapters: [{source: {name: a, image: i}}]}"},
		{"template", "inference: {template: {spec: {containers: [{name: c, image: a}]}}}", "inference: {template: {spec: {containers: [{name: c, image: b}]}}}"},
	} {
		name := fmt.Sprintf("changed-%d", i)
		s.create(s.manifest(name, c.from))
		current, changed := s.manifest(name, ""), s.manifest(name, c.to)
		s.Eventually(func() error {
			s.get(current, name)
			changed.SetResourceVersion(current.GetResourceVersion())
			return s.Update(s.t.Context(), changed)
		}).Should(gomega.Succeed(), c.name)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	u := s.manifest("plain", "inference: {preset: {name: phi-4-mini-instruct}}\nresource: {}")
	s.create(u)
	want := map[string]any{
		"resource":  map[string]any{"count": int64(1), "instanceType": a100},
		"inference": map[string]any{"preset": map[string]any{"name": "phi-4-mini-instruct", "accessMode": "public"}},
	}
	have := map[string]any{"resource": u.Object["resource"], "inference": u.Object["inference"]}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
}

// TestKAITOManifests applies the shapes of manifests that KAITO v0.7 publishes, as they are. A first line says so where
// one is accepted but cannot be served.
func TestKAITOManifests(t *testing.T) {
	t.Parallel()
	planned(t, filepath.Join("testdata", "kaito"), 12)
}

// TestExamples applies every file of examples/. Those of routes are applied by TestRoutes, where their kinds are served.
func TestExamples(t *testing.T) {
	t.Parallel()
	planned(t, filepath.Join(root(), "examples"), 10)
}

// planned applies the files of a directory, at least so many, and waits until each Workspace has its workload.
func planned(t *testing.T, dir string, atLeast int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) < atLeast {
		t.Fatalf("%d files in %s: %v", len(files), dir, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, shared)
			text, err := os.ReadFile(file)
			s.Expect(err).NotTo(gomega.HaveOccurred())
			for _, name := range s.applied(file) {
				if reason, ok := strings.CutPrefix(strings.SplitN(string(text), "\n", 2)[0], "# Stalled: "); ok {
					reason, _, _ = strings.Cut(reason, ":")
					s.expect(name, "Stalled=True "+reason)
					continue
				}
				ws := s.expect(name, "!Stalled", "InferenceReady=False LoadingModel", "Reconciling=True InsufficientNodes")
				s.Expect(ws.Status.Workload).NotTo(gomega.BeNil())
				s.Expect(ws.Status.ObservedGeneration).To(gomega.Equal(ws.Generation))
			}
		})
	}
}

// TestOlderVersion reads as v1beta1 what was written as v1alpha1, and the other way round.
func TestOlderVersion(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	name := s.applied(filepath.Join("testdata", "kaito", "v1alpha1.yaml"))[0]
	s.expect(name, "ResourceReady=False InsufficientNodes")
	older := &unstructured.Unstructured{}
	older.SetAPIVersion("kaito.sh/v1alpha1")
	older.SetKind("Workspace")
	s.Expect(s.get(older, name)).To(gomega.BeTrue())
	generation, _, err := unstructured.NestedInt64(older.Object, "status", "observedGeneration")
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(generation).To(gomega.Equal(int64(1)))
}

// TestScale does what kubectl scale and autoscalers do. The API server has no scale of an object whose spec.replicas is
// not set.
func TestScale(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.node("a", 8)
	ws := s.workspace("phi", func(ws *v1beta1.Workspace) { ws.Spec.Replicas = new(int32(1)) })
	s.ready("phi")
	scale := &autoscalingv1.Scale{}
	for _, replicas := range []int32{3, 0, 1} {
		s.step(fmt.Sprintf("scaled to %d", replicas))
		s.Expect(s.SubResource("scale").Get(s.t.Context(), ws, scale)).To(gomega.Succeed())
		scale.Spec.Replicas = replicas
		s.Expect(s.SubResource("scale").Update(s.t.Context(), ws, client.WithSubResourceBody(scale))).To(gomega.Succeed())
		if replicas == 0 {
			s.expect("phi", "InferenceReady=True ScaledToZero", "Ready=True Ready")
		} else {
			s.expect("phi", "InferenceReady=False LoadingModel")
			s.serve("phi")
		}
		s.until(func() error {
			if err := s.SubResource("scale").Get(s.t.Context(), ws, scale); err != nil {
				return err
			}
			if scale.Status.Replicas != replicas {
				return fmt.Errorf("scale reports %d replicas", scale.Status.Replicas)
			}
			return nil
		})
	}
	selector, err := metav1.ParseToLabelSelector(scale.Status.Selector)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(selector.MatchLabels).To(gomega.HaveKeyWithValue(v1beta1.LabelWorkspace, "phi"))
}
