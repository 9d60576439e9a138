// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"cmp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
)

func (r release) checkPod(t *testing.T) {
	t.Helper()
	deployment, ok := r.deployments[r.plan.Names.EPP]
	if !ok {
		t.Fatalf("there is no Deployment %s", r.plan.Names.EPP)
	}
	if got, want := *deployment.Spec.Replicas, max(1, r.plan.Pool.EPP.Replicas); got != want {
		t.Errorf("%d replicas, want %d", got, want)
	}
	// A second leader cannot come up before the first has gone; a lone Endpoint Picker has its successor first.
	strategy := appsv1.RollingUpdateDeploymentStrategyType
	if *deployment.Spec.Replicas > 1 {
		strategy = appsv1.RecreateDeploymentStrategyType
	}
	if got := deployment.Spec.Strategy.Type; got != strategy {
		t.Errorf("strategy %q, want %q", got, strategy)
	}
	if !selects(deployment.Spec.Selector.MatchLabels, deployment.Spec.Template.Labels) {
		t.Errorf("selector %v does not match %v", deployment.Spec.Selector, deployment.Spec.Template.Labels)
	}
	pod := deployment.Spec.Template
	for _, refusal := range refusals(t, pod) {
		t.Errorf("restricted Pod Security: %s", refusal)
	}
	var secrets []string
	for _, ref := range pod.Spec.ImagePullSecrets {
		secrets = append(secrets, ref.Name)
	}
	if diff := gocmp.Diff(r.plan.Pool.ImagePullSecrets, secrets); diff != "" {
		t.Errorf("pull secrets (-want +got):\n%s", diff)
	}
	r.checkContainer(t, pod.Spec.Containers)
}

func (r release) checkContainer(t *testing.T, containers []corev1.Container) {
	t.Helper()
	if len(containers) != 1 || containers[0].Name != "epp" {
		t.Fatalf("%d containers, the first is %q", len(containers), containers[0].Name)
	}
	epp := containers[0]
	image := "registry.k8s.io/gateway-api-inference-extension/epp"
	switch {
	case r.plan.Pool.EPP.Image != "":
		image = "docker.io/library/" + r.plan.Pool.EPP.Image
	case r.plan.Pool.Registry != "":
		image = r.plan.Pool.Registry + "/gateway-api-inference-extension/epp"
	}
	want := image + ":" + r.version
	if digest := r.plan.Pool.EPP.Digest; digest != "" {
		want += "@" + digest
	}
	if epp.Image != want {
		t.Errorf("image %s, want %s", epp.Image, want)
	}
	if want := cmp.Or(r.plan.Pool.EPP.PullPolicy, corev1.PullIfNotPresent); epp.ImagePullPolicy != want {
		t.Errorf("pull policy %s, want %s", epp.ImagePullPolicy, want)
	}
	resources := r.plan.Pool.EPP.Resources
	if resources.Requests == nil && resources.Limits == nil {
		c := configv1alpha1.Configuration{}
		configv1alpha1.Default(&c)
		resources = c.EndpointPicker.Resources
	}
	if diff := gocmp.Diff(resources, epp.Resources, quantities()); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	// The standby is alive without leading, but only the leader is ready.
	liveness, readiness := "inference-extension", "inference-extension"
	if r.replicated() {
		liveness, readiness = "liveness", "readiness"
	}
	if got := *epp.LivenessProbe.GRPC.Service; got != liveness {
		t.Errorf("liveness asks %s, want %s", got, liveness)
	}
	if got := *epp.ReadinessProbe.GRPC.Service; got != readiness {
		t.Errorf("readiness asks %s, want %s", got, readiness)
	}
}

func quantities() gocmp.Option {
	return gocmp.Comparer(func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 })
}

// refusals are what the restricted Pod Security Standard has against a pod.
func refusals(t *testing.T, pod corev1.PodTemplateSpec) []string {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	var all []string
	for _, check := range evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec) {
		if !check.Allowed {
			all = append(all, check.ForbiddenReason+" ("+check.ForbiddenDetail+")")
		}
	}
	return all
}

// checkArguments reads the command line as this version's EPP does.
func (r release) checkArguments(t *testing.T, flags declared) {
	t.Helper()
	if want := r.since("v1.3.0"); flags.pflag != want {
		t.Fatalf("the EPP parses with pflag=%t, want %t", flags.pflag, want)
	}
	args := r.deployments[r.plan.Names.EPP].Spec.Template.Spec.Containers[0].Args
	line, err := flags.parse(args)
	if err != nil {
		t.Fatalf("the EPP refuses %q: %v", args, err)
	}
	if len(line.rest) > 0 {
		t.Errorf("the EPP ignores %q", line.rest)
	}
	for name := range line.set {
		// Their values do not tell what was written.
		if strings.HasPrefix(name, "zap-") {
			delete(line.set, name)
		}
	}
	if diff := gocmp.Diff(r.flags(line.known), line.set); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
	if _, ok := r.configMaps[r.plan.Names.EPP].Data["default-plugins.yaml"]; !ok {
		t.Errorf("the EPP's configuration has no default-plugins.yaml")
	}
}

// flags are what the EPP must have been told.
func (r release) flags(known map[string]bool) map[string]string {
	want := map[string]string{
		"pool-name": r.plan.Names.Pool, "pool-namespace": r.plan.Namespace, "pool-group": "inference.networking.k8s.io",
		"config-file": "/config/default-plugins.yaml", "v": "1",
	}
	if !r.since("v1.3.0") {
		// These EPPs still look for the metric under the name that vLLM gave up.
		want["kv-cache-usage-percentage-metric"] = "vllm:kv_cache_usage_perc"
	}
	for _, name := range []string{"tracing", "metrics-endpoint-auth"} {
		if known[name] {
			want[name] = "false"
		}
	}
	if r.replicated() {
		want["ha-enable-leader-election"] = "true"
	}
	return want
}
