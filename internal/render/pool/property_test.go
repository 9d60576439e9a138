// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/pool"
)

// TestRenderAnything feeds Render texts that no validation has seen: it must not panic, and what is somebody's text in
// the plan must be one and the same text in the values and patches, whatever YAML or a template would make of it.
func TestRenderAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, shape := anyPlan(t)
		before, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		objects, err := pool.Render(p, shape)
		if after, _ := json.Marshal(p); !bytes.Equal(before, after) {
			t.Fatal("the plan was changed")
		}
		if err != nil {
			return
		}
		checkObjects(t, p, objects)
		checkValues(t, p, shape, objects.Release.Spec.Values.Raw)
	})
}

func checkObjects(t *rapid.T, p plan.Plan, objects pool.Objects) {
	spec := objects.Release.Spec
	if spec.Suspend || spec.ReleaseName != p.Names.Pool || spec.ChartRef.Name != objects.Repository.Name {
		t.Fatalf("the release is not the one of the plan: %+v", spec)
	}
	if waits := !spec.Install.DisableWait; waits != (p.Pool.EPP.Replicas < 2) || waits != (objects.Disruption == nil) {
		t.Fatalf("replicas %d: waits=%t, disruption=%v", p.Pool.EPP.Replicas, waits, objects.Disruption)
	}
	for _, object := range objects.All() {
		if object.GetLabels()[v1beta1.LabelManagedBy] != v1beta1.ManagedBy || object.GetLabels()[v1beta1.LabelWorkspace] != p.Name {
			t.Fatalf("our labels are gone: %v", object.GetLabels())
		}
	}
	checkSecrets(t, p, spec.PostRenderers[0].Kustomize.Patches[0].Patch)
	for _, patch := range spec.PostRenderers[0].Kustomize.Patches {
		var body any
		if err := yaml.UnmarshalStrict([]byte(patch.Patch), &body); err != nil {
			t.Fatalf("a patch is not YAML: %v\n%s", err, patch.Patch)
		}
	}
}

// podPatch is the part of the Deployment's patch that holds somebody's text.
type podPatch struct {
	Spec struct {
		Template struct {
			Spec struct {
				ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

func checkSecrets(t *rapid.T, p plan.Plan, patch string) {
	var body podPatch
	if err := yaml.Unmarshal([]byte(patch), &body); err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, ref := range body.Spec.Template.Spec.ImagePullSecrets {
		got = append(got, ref.Name)
	}
	if diff := cmp.Diff(p.Pool.ImagePullSecrets, got); diff != "" {
		t.Fatalf("the pull secrets are others:\n%s", diff)
	}
}

// chartValues are the values that depend on what somebody wrote, in the places of both dialects.
type chartValues struct {
	InferencePool modelServers `json:"inferencePool"`
	Router        modelServers `json:"router"`
}

type modelServers struct {
	ModelServers struct {
		MatchLabels map[string]string `json:"matchLabels"`
	} `json:"modelServers"`
}

func checkValues(t *rapid.T, p plan.Plan, shape plan.Shape, raw []byte) {
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatalf("the values are not JSON: %v", err)
	}
	again, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	var back any
	if err := json.Unmarshal(again, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tree, back); diff != "" {
		t.Fatalf("the values do not survive a round trip:\n%s", diff)
	}
	want := maps.Clone(p.Pool.Selector)
	if shape == plan.ShapeStatefulSet {
		want[v1beta1.LabelPodIndex] = "0"
	}
	var values chartValues
	if err := json.Unmarshal(raw, &values); err != nil {
		t.Fatal(err)
	}
	got := values.InferencePool.ModelServers.MatchLabels
	if p.Pool.Chart.Dialect == configv1alpha1.DialectLLMDRouter {
		got = values.Router.ModelServers.MatchLabels
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("the selector is another one:\n%s", diff)
	}
}

func anyPlan(t *rapid.T) (plan.Plan, plan.Shape) {
	dialect := rapid.SampledFrom(dialects()).Draw(t, "dialect")
	text := rapid.String()
	p := example()
	// Also names that YAML would read as something else.
	name := rapid.OneOf(rapid.StringMatching(`[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?`), rapid.SampledFrom([]string{"null", "yes", "1e3", "0x1", "1.0"}))
	broken := rapid.IntRange(0, 9).Draw(t, "broken")
	p.Namespace, p.Name = name.Draw(t, "namespace"), name.Draw(t, "name")
	p.Names.Pool, p.Names.EPP = name.Draw(t, "pool"), name.Draw(t, "epp")
	if broken == 0 {
		p.Names.Pool = text.Draw(t, "broken pool")
	}
	p.Port = rapid.Int32().Draw(t, "port")
	p.Pool = &plan.Pool{
		Selector: rapid.MapOfN(text, text, 0, 4).Draw(t, "selector"),
		Registry: text.Draw(t, "registry"),
		Chart: configv1alpha1.Chart{
			Dialect: dialect, URL: text.Draw(t, "url"), Digest: text.Draw(t, "digest"),
			Version: rapid.SampledFrom(append(pool.Supported(dialect), "", "v9.9.9")).Draw(t, "version"),
		},
		EPP: configv1alpha1.EndpointPicker{
			Image: text.Draw(t, "image"), Version: text.Draw(t, "tag"),
			PullPolicy:  corev1.PullPolicy(text.Draw(t, "pullPolicy")),
			Replicas:    rapid.Int32().Draw(t, "replicas"),
			FailureMode: rapid.SampledFrom([]configv1alpha1.FailureMode{"", "FailOpen", "FailClose", "Other"}).Draw(t, "failureMode"),
			Resources:   anyResources(t),
		},
		Flux:             configv1alpha1.Flux{Labels: rapid.MapOfN(text, text, 0, 2).Draw(t, "labels"), SecretRef: text.Draw(t, "secret")},
		ImagePullSecrets: rapid.SliceOfN(name, 0, 2).Draw(t, "secrets"),
	}
	return p, rapid.SampledFrom([]plan.Shape{plan.ShapeDeployment, plan.ShapeStatefulSet, "", "Job"}).Draw(t, "shape")
}

func anyResources(t *rapid.T) corev1.ResourceRequirements {
	list := rapid.MapOfN(
		rapid.SampledFrom([]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage}),
		rapid.Map(rapid.Int64(), func(n int64) resource.Quantity { return *resource.NewQuantity(n, resource.BinarySI) }),
		0, 3)
	return corev1.ResourceRequirements{Requests: list.Draw(t, "requests"), Limits: list.Draw(t, "limits")}
}
