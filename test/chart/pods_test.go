// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
)

// TestRendered holds what is true of every rendering.
func TestRendered(t *testing.T) {
	t.Parallel()
	for name, text := range cases(t, "values") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := rendered(t, values(t, text))
			for _, pod := range all.pods(t) {
				checkPod(t, pod)
			}
			checkConfig(t, all)
			checkRoles(t, all)
			checkPolicies(t, all)
			checkKept(t, all)
		})
	}
}

// named is a pod, or the template of one.
type named struct {
	name string
	corev1.PodTemplateSpec
}

func (o objects) pods(t *testing.T) []named {
	t.Helper()
	var all []named
	for _, object := range append(o.of("Deployment"), o.of("Pod")...) {
		content := object.Object
		if object.GetKind() == "Deployment" {
			content, _, _ = unstructured.NestedMap(object.Object, "spec", "template")
		}
		pod := named{name: object.GetKind() + " " + object.GetName()}
		convert(t, content, &pod.PodTemplateSpec)
		all = append(all, pod)
	}
	if len(all) < 2 {
		t.Errorf("only %d pods", len(all))
	}
	return all
}

func convert(t *testing.T, from map[string]any, to any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(from, to); err != nil {
		t.Fatal(err)
	}
}

// checkPod: the restricted Pod Security Standard admits it, nothing is written outside volumes, and it says what it needs.
func checkPod(t *testing.T, pod named) {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, result := range evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec) {
		if !result.Allowed {
			t.Errorf("%s: %s: %s", pod.name, result.ForbiddenReason, result.ForbiddenDetail)
		}
	}
	for _, container := range pod.Spec.Containers {
		checkContainer(t, pod.name, container)
	}
	if pod.Spec.ServiceAccountName == "" || pod.Spec.ServiceAccountName == "default" {
		t.Errorf("%s: runs as the account %q", pod.name, pod.Spec.ServiceAccountName)
	}
}

func checkContainer(t *testing.T, pod string, container corev1.Container) {
	t.Helper()
	if readOnly := container.SecurityContext.ReadOnlyRootFilesystem; readOnly == nil || !*readOnly {
		t.Errorf("%s: the root file system can be written", pod)
	}
	if container.Resources.Requests.Memory().IsZero() || container.Resources.Limits.Memory().IsZero() {
		t.Errorf("%s: resources %+v", pod, container.Resources)
	}
	_, tag, ok := strings.Cut(container.Image[strings.LastIndex(container.Image, "/"):], ":")
	if !ok || tag == "" || tag == "latest" {
		t.Errorf("%s: image %s", pod, container.Image)
	}
	if strings.HasPrefix(pod, "Deployment") && (container.LivenessProbe == nil || container.ReadinessProbe == nil) {
		t.Errorf("%s: lacks a probe", pod)
	}
}

// config is the operator's configuration file, which it must accept.
func (o objects) config(t *testing.T) configv1alpha1.Configuration {
	t.Helper()
	for _, configMap := range o.of("ConfigMap") {
		if text, ok, _ := unstructured.NestedString(configMap.Object, "data", "config.yaml"); ok {
			config, err := configv1alpha1.Decode([]byte(text))
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			return config
		}
	}
	t.Fatal("there is no configuration file")
	return configv1alpha1.Configuration{}
}

func checkConfig(t *testing.T, all objects) {
	t.Helper()
	config := all.config(t)
	flux := len(all.of("Deployment")) > 1
	if flux && !config.FeatureGates.GatewayAPIInferenceExtension {
		t.Error("Flux comes without the gate")
	}
}

// checkRoles: no role has a wildcard, nobody gets a role of the cluster, and roles that write Secrets are Flux's alone.
func checkRoles(t *testing.T, all objects) {
	t.Helper()
	ours := map[string]bool{}
	for _, object := range append(all.of("ClusterRole"), all.of("Role")...) {
		ours[object.GetName()] = true
		var role rbacv1.ClusterRole
		convert(t, object.Object, &role)
		for _, rule := range role.Rules {
			checkRule(t, role.Name, rule)
		}
	}
	for _, object := range append(all.of("ClusterRoleBinding"), all.of("RoleBinding")...) {
		if role, _, _ := unstructured.NestedString(object.Object, "roleRef", "name"); !ours[role] {
			t.Errorf("%s binds %s, which is not of the chart", object.GetName(), role)
		}
	}
}

func checkRule(t *testing.T, role string, rule rbacv1.PolicyRule) {
	t.Helper()
	if slices.Contains(slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs), "*") {
		t.Errorf("%s has a wildcard: %v", role, rule)
	}
	if slices.Contains(rule.Resources, "secrets") {
		checkSecretsRule(t, role, rule)
	}
	if slices.Contains(rule.Verbs, "escalate") || slices.Contains(rule.Verbs, "bind") {
		t.Errorf("%s may grant what it has not: %v", role, rule)
	}
}

// checkSecretsRule: only helm-controller reads Secrets that it cannot name, and nobody watches any.
func checkSecretsRule(t *testing.T, role string, rule rbacv1.PolicyRule) {
	t.Helper()
	if strings.HasSuffix(role, "-pool-charts") {
		return
	}
	for _, verb := range rule.Verbs {
		blind := verb == "create" || verb == "patch" || verb == "delete"
		if !blind && (len(rule.ResourceNames) == 0 || verb != "get" && verb != "update") {
			t.Errorf("%s may %s Secrets: %v", role, verb, rule)
		}
	}
}

// checkPolicies: each selects pods of the chart, and only these; egress is nobody's.
func checkPolicies(t *testing.T, all objects) {
	t.Helper()
	pods := all.pods(t)
	for _, object := range all.of("NetworkPolicy") {
		var p networkingv1.NetworkPolicy
		convert(t, object.Object, &p)
		selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
		if err != nil {
			t.Fatal(err)
		}
		selected := 0
		for _, pod := range pods {
			if selector.Matches(labels.Set(pod.Labels)) {
				selected++
			}
		}
		if selected != 1 {
			t.Errorf("%s selects %d kinds of pods", p.Name, selected)
		}
		checkPorts(t, p, pods)
		if !slices.Equal(p.Spec.PolicyTypes, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}) {
			t.Errorf("%s is about %v", p.Name, p.Spec.PolicyTypes)
		}
		if selector.Matches(labels.Set{"kaito.sh/workspace": "phi-4", "app.kubernetes.io/managed-by": "workspace-operator"}) {
			t.Errorf("%s selects model pods", p.Name)
		}
	}
}

// checkKept: CRDs survive the release, or every Workspace would go with it.
func checkKept(t *testing.T, all objects) {
	t.Helper()
	for _, crd := range all.of("CustomResourceDefinition") {
		if crd.GetAnnotations()["helm.sh/resource-policy"] != "keep" {
			t.Errorf("%s goes with the chart", crd.GetName())
		}
	}
}

// TestConfigRolls: a change of the configuration replaces the operator's pods, and nothing else does it.
func TestConfigRolls(t *testing.T) {
	t.Parallel()
	sum := func(text string) string {
		deployment := rendered(t, values(t, text)).one(t, "Deployment", releaseName)
		annotations, _, _ := unstructured.NestedStringMap(deployment.Object, "spec", "template", "metadata", "annotations")
		return annotations["checksum/config"]
	}
	before := sum("{}")
	if before == "" {
		t.Fatal("the pods carry no checksum")
	}
	if sum("config: {modelServer: {version: v9}}") == before {
		t.Error("another configuration does not roll the pods")
	}
	if sum("metrics: {enabled: false}") != before {
		t.Error("the checksum is not the configuration's")
	}
}
