// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/pool"
)

const namespace = "models"

// release is one rendering of a chart and what it was asked for.
type release struct {
	version  string
	plan     plan.Plan
	shape    plan.Shape
	rendered pool.Objects
	objects
}

func (r release) replicated() bool { return r.plan.Pool.EPP.Replicas > 1 }

// since says whether the chart's version is that one or later.
func (r release) since(version string) bool {
	versions := pool.Supported(configv1alpha1.DialectInferencePool)
	return slices.Index(versions, r.version) >= slices.Index(versions, version)
}

func planFor(version, workspace string) plan.Plan {
	name := workspace + "-inferencepool"
	return plan.Plan{
		Namespace: namespace, Name: workspace,
		Owner: metav1.OwnerReference{APIVersion: v1beta1.GroupVersion.String(), Kind: "Workspace", Name: workspace, UID: "1"},
		Names: plan.Names{Pool: name, EPP: plan.EPPName(name)},
		Port:  5000,
		Pool: &plan.Pool{
			Selector: map[string]string{v1beta1.LabelWorkspace: workspace},
			Chart:    configv1alpha1.Chart{Version: version},
		},
	}
}

// variants are ways to ask for a pool; each is tried with each version and shape.
func variants() map[string]func(*plan.Plan) {
	return map[string]func(*plan.Plan){
		"defaults": func(*plan.Plan) {},
		"replicas": func(p *plan.Plan) {
			p.Pool.EPP.Replicas = 2
			p.Pool.ImagePullSecrets = []string{"mirror", "other"}
			p.Pool.EPP.FailureMode = configv1alpha1.FailClose
		},
		// Less than the chart's own defaults, which must not come through.
		"few resources": func(p *plan.Plan) {
			p.Pool.EPP.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}
			p.Pool.Registry = "mirror.corp.example:5000/kaito"
		},
		"other resources": func(p *plan.Plan) {
			p.Pool.EPP.Resources.Limits = corev1.ResourceList{
				corev1.ResourceMemory: resource.MustParse("64Gi"), corev1.ResourceCPU: resource.MustParse("8"),
			}
			p.Pool.EPP.Image, p.Pool.EPP.PullPolicy = "epp", corev1.PullAlways
			p.Pool.EPP.Digest = "sha256:" + strings.Repeat("e0", 32)
		},
		// The chart cuts the EPP's name behind a dash here.
		"long name": func(p *plan.Plan) {
			*p = planFor(p.Pool.Chart.Version, strings.Repeat("w", 39))
			p.Namespace = "default"
		},
	}
}

func TestPools(t *testing.T) {
	for _, version := range pool.Supported(configv1alpha1.DialectInferencePool) {
		archive := packagedChart(t, version)
		flags := flagsOf(t, version)
		for name, change := range variants() {
			for _, shape := range []plan.Shape{plan.ShapeDeployment, plan.ShapeStatefulSet} {
				t.Run(fmt.Sprintf("%s/%s/%s", version, name, shape), func(t *testing.T) {
					p := planFor(version, "phi-4")
					change(&p)
					r := release{version: version, plan: p, shape: shape}
					r.render(t, archive)
					r.checkInventory(t)
					r.checkPool(t)
					r.checkPod(t)
					r.checkService(t)
					r.checkArguments(t, flags)
					r.checkReplicas(t)
				})
			}
		}
	}
}

func (r *release) render(t *testing.T, archive string) {
	t.Helper()
	rendered, err := pool.Render(r.plan, r.shape)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := install(t, archive, rendered.Release)
	if err != nil {
		t.Fatal(err)
	}
	r.rendered, r.objects = rendered, decode(t, manifest)
}

// checkInventory: a helm-controller that may write only into the namespace can install it, and nothing but metadata of
// the objects themselves leads from them to the Workspace.
func (r release) checkInventory(t *testing.T) {
	t.Helper()
	var kinds []string
	for _, object := range r.all {
		kinds = append(kinds, object.Kind)
		if object.Namespace != r.plan.Namespace && object.Namespace != "" {
			t.Errorf("%s %s is in namespace %q", object.Kind, object.Name, object.Namespace)
		}
		if got := object.Labels[v1beta1.LabelWorkspace]; got != r.plan.Name {
			t.Errorf("%s %s belongs to Workspace %q", object.Kind, object.Name, got)
		}
	}
	slices.Sort(kinds)
	want := []string{"ConfigMap", "Deployment", "InferencePool", "Role", "RoleBinding", "Service", "ServiceAccount"}
	if r.since("v1.4.0") {
		want = append(want, "Role", "RoleBinding")
	}
	if r.replicated() {
		want = append(want, "Role", "RoleBinding")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}

func (r release) checkPool(t *testing.T) {
	t.Helper()
	got, ok := r.pools[r.plan.Names.Pool]
	if !ok {
		t.Fatalf("there is no InferencePool %s", r.plan.Names.Pool)
	}
	want := map[string]string{v1beta1.LabelWorkspace: r.plan.Name}
	if r.shape == plan.ShapeStatefulSet {
		want[v1beta1.LabelPodIndex] = "0"
	}
	selector := map[string]string{}
	for key, value := range got.Spec.Selector.MatchLabels {
		selector[string(key)] = string(value)
	}
	if diff := cmp.Diff(want, selector); diff != "" {
		t.Errorf("selector (-want +got):\n%s", diff)
	}
	if ports := got.Spec.TargetPorts; len(ports) != 1 || int32(ports[0].Number) != r.plan.Port {
		t.Errorf("target ports %v", ports)
	}
	ref := got.Spec.EndpointPickerRef
	if string(ref.Name) != r.plan.Names.EPP || ref.Port == nil || ref.Port.Number != 9002 {
		t.Errorf("endpointPickerRef %+v", ref)
	}
	failureMode := configv1alpha1.FailOpen
	if r.plan.Pool.EPP.FailureMode != "" {
		failureMode = r.plan.Pool.EPP.FailureMode
	}
	if string(ref.FailureMode) != string(failureMode) {
		t.Errorf("failureMode %q, want %q", ref.FailureMode, failureMode)
	}
}

func (r release) checkService(t *testing.T) {
	t.Helper()
	service, ok := r.services[r.plan.Names.EPP]
	if !ok {
		t.Fatalf("there is no Service %s", r.plan.Names.EPP)
	}
	if !slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == 9002 }) {
		t.Errorf("the EPP's Service has no port 9002: %v", service.Spec.Ports)
	}
	pods := r.deployments[r.plan.Names.EPP].Spec.Template.Labels
	if !selects(service.Spec.Selector, pods) {
		t.Errorf("the EPP's Service selects %v, its pods have %v", service.Spec.Selector, pods)
	}
	// The pool would send requests for the model to the EPP.
	if selects(r.plan.Pool.Selector, pods) || pods[v1beta1.LabelWorkspace] != "" {
		t.Errorf("the pool selects the EPP: %v", pods)
	}
}

func (r release) checkReplicas(t *testing.T) {
	t.Helper()
	budget := r.rendered.Disruption
	if (budget != nil) != r.replicated() {
		t.Fatalf("disruption budget %v for %d replicas", budget, r.plan.Pool.EPP.Replicas)
	}
	if budget == nil {
		return
	}
	deployment := r.deployments[r.plan.Names.EPP]
	if !selects(budget.Spec.Selector.MatchLabels, deployment.Spec.Template.Labels) {
		t.Errorf("the budget selects %v", budget.Spec.Selector)
	}
	affinity := deployment.Spec.Template.Spec.Affinity
	if affinity == nil || affinity.PodAntiAffinity == nil {
		t.Fatal("the EPPs may share a node")
	}
	term := affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution[0].PodAffinityTerm
	if !selects(term.LabelSelector.MatchLabels, deployment.Spec.Template.Labels) {
		t.Errorf("the EPPs keep away from %v", term.LabelSelector)
	}
	r.checkElection(t)
}

// checkElection: the account that the pods run as may write the lease.
func (r release) checkElection(t *testing.T) {
	t.Helper()
	account := r.deployments[r.plan.Names.EPP].Spec.Template.Spec.ServiceAccountName
	if _, ok := r.serviceAccounts[account]; !ok {
		t.Errorf("there is no ServiceAccount %s", account)
	}
	for _, binding := range r.roleBindings {
		if binding.Subjects[0].Name != account {
			t.Errorf("%s binds %s", binding.Name, binding.Subjects[0].Name)
		}
		for _, rule := range r.roles[binding.RoleRef.Name].Rules {
			if slices.Contains(rule.Resources, "leases") && slices.Contains(rule.Verbs, "update") {
				return
			}
		}
	}
	t.Error("nothing lets the EPP write its lease")
}

func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return len(selector) > 0
}
