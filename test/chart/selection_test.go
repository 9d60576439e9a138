// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const reachable = `{
	featureGates: {gatewayAPIInferenceExtension: true}, networkPolicy: {enabled: true},
	config: {gateway: {bodyBasedRouting: {enabled: true}}}}`

// TestAvailable: two operators by default, of which one leads; they are spread, and evicted one at a time. Whatever selects
// them selects them alone.
func TestAvailable(t *testing.T) {
	t.Parallel()
	all := rendered(t, values(t, reachable))
	var operator appsv1.Deployment
	convert(t, all.one(t, "Deployment", releaseName).Object, &operator)
	if *operator.Spec.Replicas != 2 || !slices.Contains(operator.Spec.Template.Spec.Containers[0].Args, "--leader-elect=true") {
		t.Errorf("%d replicas with %v", *operator.Spec.Replicas, operator.Spec.Template.Spec.Containers[0].Args)
	}
	var budget policyv1.PodDisruptionBudget
	convert(t, all.one(t, "PodDisruptionBudget", releaseName).Object, &budget)
	if budget.Spec.MaxUnavailable.String() != "1" || budget.Spec.MinAvailable != nil {
		t.Errorf("the budget is %v, %v", budget.Spec.MaxUnavailable, budget.Spec.MinAvailable)
	}
	selectors := map[string]*metav1.LabelSelector{"the Deployment": operator.Spec.Selector, "the budget": budget.Spec.Selector}
	var keys []string
	for _, spread := range operator.Spec.Template.Spec.TopologySpreadConstraints {
		keys = append(keys, spread.TopologyKey)
		selectors["the spread over "+spread.TopologyKey] = spread.LabelSelector
		if spread.WhenUnsatisfiable != corev1.ScheduleAnyway || spread.MaxSkew != 1 {
			t.Errorf("the spread over %s is %+v", spread.TopologyKey, spread)
		}
	}
	if diff := cmp.Diff([]string{"kubernetes.io/hostname", "topology.kubernetes.io/zone"}, keys); diff != "" {
		t.Errorf("spread over (-want +got):\n%s", diff)
	}
	for _, name := range []string{"-metrics", "-models"} {
		var service corev1.Service
		convert(t, all.one(t, "Service", releaseName+name).Object, &service)
		selectors["the Service "+service.Name] = &metav1.LabelSelector{MatchLabels: service.Spec.Selector}
	}
	for what, selector := range selectors {
		if diff := cmp.Diff([]string{"Deployment " + releaseName}, selected(t, selector, all.pods(t))); diff != "" {
			t.Errorf("%s selects (-want +got):\n%s", what, diff)
		}
	}
}

// selected are the names of the pods that a selector selects.
func selected(t *testing.T, by *metav1.LabelSelector, pods []named) []string {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(by)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, pod := range pods {
		if selector.Matches(labels.Set(pod.Labels)) {
			all = append(all, pod.name)
		}
	}
	return all
}

// TestPeers: who reaches which port.
func TestPeers(t *testing.T) {
	t.Parallel()
	const anyone, monitoring = "anyone", `{"namespaceSelector":{"matchLabels":{"name":"monitoring"}}}`
	for metricsFrom, scraper := range map[string]string{"": anyone, monitoring: monitoring} {
		with := values(t, reachable)
		with["networkPolicy"] = map[string]any{"enabled": true}
		if metricsFrom != "" {
			with["networkPolicy"] = map[string]any{"enabled": true, "metricsFrom": []any{values(t, metricsFrom)}}
		}
		all := rendered(t, with)
		got := map[string][]string{}
		for _, object := range all.of("NetworkPolicy") {
			var policy networkingv1.NetworkPolicy
			convert(t, object.Object, &policy)
			pods := selected(t, &policy.Spec.PodSelector, all.pods(t))
			for _, rule := range policy.Spec.Ingress {
				for _, port := range rule.Ports {
					got[fmt.Sprintf("%v %d", pods, port.Port.IntVal)] = peers(t, rule.From, all.pods(t))
				}
			}
		}
		want := map[string][]string{
			"[Deployment kaito-workspace] 8090":   {anyone},
			"[Deployment kaito-workspace] 8443":   {scraper},
			"[Deployment source-controller] 9090": {"Deployment helm-controller"},
			"[Deployment source-controller] 8080": {scraper},
			"[Deployment helm-controller] 8080":   {scraper},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("with metricsFrom %q (-want +got):\n%s", metricsFrom, diff)
		}
	}
}

// peers are the pods of the chart that may come in, or a peer as it stands when it is none of them.
func peers(t *testing.T, from []networkingv1.NetworkPolicyPeer, pods []named) []string {
	t.Helper()
	if len(from) == 0 {
		return []string{"anyone"}
	}
	var all []string
	for _, peer := range from {
		if peer.PodSelector != nil && peer.NamespaceSelector == nil && peer.IPBlock == nil {
			all = append(all, selected(t, peer.PodSelector, pods)...)
			continue
		}
		text, err := json.Marshal(peer)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}
