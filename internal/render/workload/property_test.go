// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	psaapi "k8s.io/pod-security-admission/api"
	psapolicy "k8s.io/pod-security-admission/policy"
	"pgregory.net/rapid"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/workload"
)

// TestProperties checks on plans of all sizes what no single golden file can promise.
func TestProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t)
		before := toJSON(t, p)
		w, err := workload.Render(p)
		if err != nil {
			t.Fatalf("rendering a sound plan: %v", err)
		}
		if diff := cmp.Diff(before, toJSON(t, p)); diff != "" {
			t.Fatalf("Render changed its plan (-before +after):\n%s", diff)
		}
		again, err := workload.Render(p)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(w, again); diff != "" {
			t.Fatalf("rendered twice (-first +second):\n%s", diff)
		}
		checkObjects(t, p, w)
		checkSelectors(t, p, w)
		for _, pod := range templates(w) {
			checkPod(t, p, pod)
			checkArgs(t, p, pod)
		}
	})
}

func checkObjects(t *rapid.T, p plan.Plan, w workload.Workload) {
	for _, object := range w.Objects() {
		kind := object.GetObjectKind().GroupVersionKind()
		if kind.Kind == "" || kind.Version == "" {
			t.Fatalf("%s has no TypeMeta", object.GetName())
		}
		if object.GetName() == "" || object.GetNamespace() != p.Namespace {
			t.Fatalf("%s is named %s/%s", kind.Kind, object.GetNamespace(), object.GetName())
		}
		if diff := cmp.Diff([]metav1.OwnerReference{p.Owner}, object.GetOwnerReferences()); diff != "" {
			t.Fatalf("owners of %s (-want +got):\n%s", kind.Kind, diff)
		}
		want := map[string]string{v1beta1.LabelWorkspace: p.Name, v1beta1.LabelManagedBy: v1beta1.ManagedBy}
		if diff := cmp.Diff(want, object.GetLabels()); diff != "" {
			t.Fatalf("labels of %s (-want +got):\n%s", kind.Kind, diff)
		}
	}
	for _, object := range w.Workloads() {
		if object.GetAnnotations()[v1beta1.AnnotationWorkloadHash] == "" {
			t.Fatalf("%s has no hash", object.GetName())
		}
	}
}

// checkSelectors says that each workload selects its own pods only, and the client Service exactly those that serve.
func checkSelectors(t *rapid.T, p plan.Plan, w workload.Workload) {
	client := labels.SelectorFromSet(w.Services[0].Spec.Selector)
	pods := templates(w)
	for name, selector := range selectors(t, w) {
		for other, pod := range pods {
			if got, want := selector.Matches(labels.Set(pod.Labels)), name == other; got != want {
				t.Fatalf("selector of %s matches pods of %s: %v", name, other, got)
			}
		}
	}
	if pod := w.Pod(); !client.Matches(labels.Set(pod.Labels)) || pod.Namespace != p.Namespace {
		t.Fatalf("the client Service does not select %s/%s* %v", pod.Namespace, pod.GenerateName, pod.Labels)
	}
	for _, pod := range pods {
		checkServing(t, p, client, pod)
	}
}

// checkServing says that the client Service selects each pod of a Deployment and the first of a StatefulSet.
func checkServing(t *rapid.T, p plan.Plan, client labels.Selector, pod corev1.PodTemplateSpec) {
	for index := range p.Topology.NodesPerReplica {
		set := maps.Clone(pod.Labels)
		if p.Topology.MultiNode() {
			set[v1beta1.LabelPodIndex] = strconv.Itoa(int(index))
		}
		if got, want := client.Matches(labels.Set(set)), index == 0; got != want {
			t.Fatalf("client Service selects pod %d: %v", index, got)
		}
	}
}

func checkPod(t *rapid.T, p plan.Plan, pod corev1.PodTemplateSpec) {
	evaluator, err := psapolicy.NewEvaluator(psapolicy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := psaapi.LevelVersion{Level: psaapi.LevelRestricted, Version: psaapi.LatestVersion()}
	verdict := psapolicy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
	if !verdict.Allowed {
		t.Fatalf("restricted Pod Security: %s", verdict.ForbiddenDetail())
	}
	container := pod.Spec.Containers[0]
	unique(t, "env", container.Env, func(v corev1.EnvVar) string { return v.Name })
	unique(t, "pull secret", pod.Spec.ImagePullSecrets, func(r corev1.LocalObjectReference) string { return r.Name })
	unique(t, "mount path", container.VolumeMounts, func(m corev1.VolumeMount) string { return m.MountPath })
	unique(t, "volume", pod.Spec.Volumes, func(v corev1.Volume) string {
		if problems := validation.IsDNS1123Label(v.Name); len(problems) > 0 {
			t.Fatalf("volume %q: %v", v.Name, problems)
		}
		return v.Name
	})
	if len(pod.Spec.Volumes) != len(container.VolumeMounts) {
		t.Fatalf("%d volumes, %d mounts", len(pod.Spec.Volumes), len(container.VolumeMounts))
	}
	name := corev1.ResourceName(p.Topology.ResourceName)
	for _, list := range []corev1.ResourceList{container.Resources.Limits, container.Resources.Requests} {
		if gpus := list[name]; gpus.Value() != int64(p.Topology.GPUsPerPod) {
			t.Fatalf("want %d GPUs, got %s", p.Topology.GPUsPerPod, gpus.String())
		}
	}
	startup := container.StartupProbe
	if waits := float64(startup.PeriodSeconds * startup.FailureThreshold); waits < p.Server.LoadTimeout.Seconds() {
		t.Fatalf("startup probe waits %vs, loading may take %v", waits, p.Server.LoadTimeout)
	}
}

// checkArgs says that the plan's arguments come first, in order, and reach vLLM as they are: that is, with each $
// doubled for Kubernetes, which halves them again.
func checkArgs(t *rapid.T, p plan.Plan, pod corev1.PodTemplateSpec) {
	got := pod.Spec.Containers[0].Args
	for i, want := range p.Server.Args {
		if got[i] == "" || strings.ReplaceAll(got[i], "$$", "$") != want || strings.Contains(strings.ReplaceAll(got[i], "$$", ""), "$") {
			t.Fatalf("argument %d: want %q, got %q", i, want, got[i])
		}
	}
	extra := len(got) - len(p.Server.Args)
	if p.Topology.MultiNode() != (extra == 2) || !p.Topology.MultiNode() && extra != 0 {
		t.Fatalf("%d further arguments: %q", extra, got)
	}
}

// templates are the pod templates by name of their workload.
func templates(w workload.Workload) map[string]corev1.PodTemplateSpec {
	if w.Deployment != nil {
		return map[string]corev1.PodTemplateSpec{w.Deployment.Name: w.Deployment.Spec.Template}
	}
	pods := map[string]corev1.PodTemplateSpec{}
	for _, set := range w.StatefulSets {
		pods[set.Name] = set.Spec.Template
	}
	return pods
}

func selectors(t *rapid.T, w workload.Workload) map[string]labels.Selector {
	all := map[string]labels.Selector{}
	add := func(name string, from *metav1.LabelSelector) {
		selector, err := metav1.LabelSelectorAsSelector(from)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = selector
	}
	for _, object := range w.Workloads() {
		switch o := object.(type) {
		case *appsv1.Deployment:
			add(o.Name, o.Spec.Selector)
		case *appsv1.StatefulSet:
			add(o.Name, o.Spec.Selector)
		}
	}
	return all
}

func unique[T any](t *rapid.T, what string, items []T, key func(T) string) {
	seen := map[string]bool{}
	for _, item := range items {
		if seen[key(item)] {
			t.Fatalf("%s %q occurs twice", what, key(item))
		}
		seen[key(item)] = true
	}
}

func toJSON(tb rapid.TB, v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return string(data)
}

// drawPlan is a sound plan of a preset, whatever its strings.
func drawPlan(t *rapid.T) plan.Plan {
	name := rapid.StringMatching(`[a-z]([-a-z0-9]{0,30}[a-z0-9])?`).Draw(t, "name")
	replicas := rapid.Int32Range(0, 4).Draw(t, "replicas")
	p := plan.Plan{
		Namespace: "ns",
		Name:      name,
		Owner:     metav1.OwnerReference{APIVersion: "kaito.sh/v1beta1", Kind: "Workspace", Name: name, UID: "1", Controller: new(true)},
		Topology: plan.Topology{
			Replicas:        replicas,
			NodesPerReplica: rapid.Int32Range(1, 4).Draw(t, "nodes"),
			GPUsPerPod:      rapid.Int32Range(0, 8).Draw(t, "gpus"),
			ResourceName:    "nvidia.com/gpu",
		},
		Names: plan.Names{Workloads: []string{name}, Service: name, Headless: name + "-headless"},
		Port:  rapid.Int32Range(1, 65535).Draw(t, "port"),
		Scheduling: plan.Scheduling{
			PreferredNodes: rapid.SliceOfN(rapid.StringMatching(`node-[a-z0-9]{1,5}`), 0, 3).Draw(t, "preferred"),
		},
		Rollout: plan.Rollout{MaxSurge: intstr.FromInt32(1)},
		Server:  drawServer(t),
	}
	for i := range max(replicas, 1) - 1 {
		p.Names.Workloads = append(p.Names.Workloads, fmt.Sprintf("%s-%d-abcde", name, i+1))
	}
	return p
}

func drawServer(t *rapid.T) *plan.Server {
	text := rapid.OneOf(rapid.StringN(1, 20, -1), rapid.StringMatching(`[$()A-Z]{1,8}`))
	words := rapid.SliceOfN(rapid.SampledFrom([]string{"HOME", "POD_INDEX", "HF_TOKEN", "A", "B"}), 0, 6)
	s := &plan.Server{
		Image:               "vllm:1",
		Args:                rapid.SliceOfN(text, 0, 8).Draw(t, "args"),
		ImagePullSecrets:    words.Draw(t, "pull secrets"),
		TokenSecret:         rapid.SampledFrom([]string{"", "token"}).Draw(t, "token"),
		ConfigHash:          rapid.SampledFrom([]string{"", "abc"}).Draw(t, "config hash"),
		WeightsDisk:         rapid.Int64Range(0, 1<<40).Draw(t, "disk"),
		WeightsStorageClass: rapid.SampledFrom([]string{"", "fast"}).Draw(t, "class"),
		LoadTimeout:         time.Duration(rapid.Int64Range(1, int64(10*time.Hour)).Draw(t, "load")),
	}
	for _, name := range words.Draw(t, "env") {
		s.Env = append(s.Env, corev1.EnvVar{Name: name, Value: text.Draw(t, "value")})
	}
	for i := range rapid.IntRange(0, 10).Draw(t, "adapters") {
		path := fmt.Sprintf("/mnt/adapters/a.%d", i)
		s.Adapters = append(s.Adapters, plan.Adapter{
			Name:      fmt.Sprintf("a.%d", i),
			Volume:    corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: "adapter:1"}},
			MountPath: path, Path: path + "/data",
		})
	}
	return s
}
