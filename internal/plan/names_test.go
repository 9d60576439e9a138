// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	t.Parallel()
	long := "a-team-of-many-words-" + strings.Repeat("x", 42)
	for _, c := range []struct {
		workspace string
		topology  Topology
		want      Names
	}{
		{"workspace-phi-4-mini", Topology{Replicas: 3, NodesPerReplica: 1}, Names{
			Workloads: []string{"workspace-phi-4-mini"}, Service: "workspace-phi-4-mini", Headless: "workspace-phi-4-mini-headless",
			Pool: "workspace-phi-4-mini-inferencepool", EPP: "workspace-phi-4-mini-inferencepool-epp",
		}},
		{"workspace-mistral-7b-instruct", Topology{Replicas: 2, NodesPerReplica: 2}, Names{
			Workloads: []string{"workspace-mistral-7b-instruct", "workspace-mistral-7b-instruct-1-67f04"},
			Service:   "workspace-mistral-7b-instruct", Headless: "workspace-mistral-7b-instruct-headless",
			Pool: "workspace-mistral-7b-instruct-inferencepool", EPP: "workspace-mistral-7b-instruct-inferencep-epp",
		}},
		{long, Topology{Replicas: 2, NodesPerReplica: 2}, Names{
			Workloads: []string{"a-team-of-many-words-xxxxxxxxxxxxxxxxxxxxxx-01103dd1", "a-team-of-many-words-xxxxxxxxxxxxxxxxxxx-1-01103"},
			Service:   long, Headless: "a-team-of-many-words-xxxxxxxxxxxxxxxxxxxxxxxx-01103dd1-headless",
			Pool: "a-team-of-many-wo-01103dd1-inferencepool", EPP: "a-team-of-many-wo-01103dd1-inferencepool-epp",
		}},
		// Names that another's could be shortened to.
		{"a-team-of-many-words-xxxxxxxxxxxxxxxxxxxxxx-01103dd1", Topology{Replicas: 1, NodesPerReplica: 2}, Names{
			Workloads: []string{"a-team-of-many-words-xxxxxxxxxxxxxxxxxxxxxx-eafd79ed"},
			Service:   "a-team-of-many-words-xxxxxxxxxxxxxxxxxxxxxx-01103dd1", Headless: "a-team-of-many-words-xxxxxxxxxxxxxxxxxxxxxx-01103dd1-headless",
			Pool: "a-team-of-many-wo-eafd79ed-inferencepool", EPP: "a-team-of-many-wo-eafd79ed-inferencepool-epp",
		}},
		{"a-team-of-many-wo-01103dd1", Topology{Replicas: 1, NodesPerReplica: 1}, Names{
			Workloads: []string{"a-team-of-many-wo-01103dd1"}, Service: "a-team-of-many-wo-01103dd1", Headless: "a-team-of-many-wo-01103dd1-headless",
			Pool: "a-team-of-many-wo-3b8cb8b0-inferencepool", EPP: "a-team-of-many-wo-3b8cb8b0-inferencepool-epp",
		}},
	} {
		if diff := cmp.Diff(c.want, namesOf(c.workspace, c.topology)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.workspace, diff)
		}
	}
}

// TestNamesAreApart draws pairs of names that are as close as names can be: prefixes of each other, what the one becomes
// when shortened, and what looks like it.
func TestNamesAreApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.OneOf(
			rapid.StringMatching(`[a-z]([a-z0-9-]{0,61}[a-z0-9])?`),
			// Shortened in one place or in all.
			rapid.StringMatching(`[a-z][a-z0-9-]{35,61}[a-z0-9]`),
		).Draw(t, "first")
		second := neighbour(t, first)
		if first == second || len(validation.IsDNS1123Label(second)) > 0 {
			return
		}
		for _, shape := range []Topology{
			{Replicas: 2, NodesPerReplica: 1},
			{Replicas: int32(rapid.IntRange(1, 12).Draw(t, "replicas")), NodesPerReplica: 2},
		} {
			a, b := namesOf(first, shape), namesOf(second, shape)
			checkLabels(t, a)
			checkApart(t, a, b)
		}
	})
}

func TestRouterName(t *testing.T) {
	t.Parallel()
	for gateway, want := range map[string]string{
		"inference-gateway":     "inference-gateway-bbr",
		"a-b":                   "a-b-bbr",
		"a.b":                   "a-b-2e7336dc-bbr",
		"1st":                   "gateway-1st-e01ddf65-bbr",
		strings.Repeat("x", 36): strings.Repeat("x", 36) + "-bbr",
		strings.Repeat("x", 37): strings.Repeat("x", 27) + "-6ee29e87-bbr",
	} {
		if got := RouterName(gateway); got != want {
			t.Errorf("%s: %s, want %s", gateway, got, want)
		}
	}
}

// TestRouterNamesAreApart: of two Gateways of one namespace each has a router of its own, under a name that Services can have.
func TestRouterNamesAreApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.OneOf(
			rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?){0,4}`),
			rapid.StringMatching(`[a-z0-9][a-z0-9-]{30,80}[a-z0-9]`),
		).Draw(t, "first")
		a := RouterName(first)
		second := rapid.OneOf(
			rapid.Just(strings.ReplaceAll(first, ".", "-")),
			rapid.Just(strings.TrimSuffix(a, routerSuffix)),
			rapid.Just("gateway-"+first),
			rapid.Just(first[:min(len(first), 27)]+"x"),
			rapid.Just(first+"x"),
		).Draw(t, "second")
		if problems := validation.IsDNS1035Label(a); len(problems) > 0 || len(a) > maxRouter {
			t.Errorf("%s has the router %s: %v", first, a, problems)
		}
		if b := RouterName(second); first != second && a == b {
			t.Errorf("%s and %s both have the router %s", first, second, a)
		}
	})
}

func checkApart(t *rapid.T, a, b Names) {
	if a.Pool == b.Pool || a.EPP == b.EPP || a.Headless == b.Headless {
		t.Fatalf("they share a name: %+v %+v", a, b)
	}
	for _, name := range a.Workloads {
		if slices.Contains(b.Workloads, name) {
			t.Fatalf("they share the workload %s: %+v %+v", name, a, b)
		}
	}
}

func neighbour(t *rapid.T, first string) string {
	taken := namesOf(first, Topology{Replicas: 12, NodesPerReplica: 2})
	candidates := slices.Concat(taken.Workloads, []string{
		strings.TrimSuffix(taken.Pool, poolSuffix),
		strings.TrimSuffix(taken.Headless, headlessSuffix),
		strings.TrimSuffix(taken.EPP, eppSuffix),
		taken.Pool, taken.EPP,
		first + "-inferencepool", first + "-", first + "-1",
		first[:len(first)/2] + rapid.StringMatching(`[a-z0-9-]{0,30}[a-z0-9]`).Draw(t, "other end"),
	})
	return strings.Trim(rapid.SampledFrom(candidates).Draw(t, "second"), "-")
}

func checkLabels(t *rapid.T, n Names) {
	for _, name := range slices.Concat([]string{n.Service, n.Headless, n.Pool, n.EPP}, n.Workloads) {
		if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
			t.Fatalf("%s: %v", name, problems)
		}
	}
	if len(n.Pool) > 53 {
		t.Fatalf("%s is longer than Helm's 53 characters", n.Pool)
	}
	for _, name := range n.Workloads[1:] {
		if len(name) > maxStatefulSet {
			t.Fatalf("%s is longer than StatefulSets' %d characters", name, maxStatefulSet)
		}
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ registry, ref, want string }{
		{"", "docker.io/vllm/vllm-openai", "docker.io/vllm/vllm-openai"},
		{"mirror.corp.example/kaito", "docker.io/vllm/vllm-openai", "mirror.corp.example/kaito/vllm/vllm-openai"},
		{"mirror.corp.example/kaito/", "vllm/vllm-openai:v1", "mirror.corp.example/kaito/vllm/vllm-openai:v1"},
		{"mirror.corp.example:5000", "localhost/vllm", "mirror.corp.example:5000/vllm"},
		{"mirror.corp.example", "registry.example:5000/a/b@sha256:0", "mirror.corp.example/a/b@sha256:0"},
		{"mirror.corp.example", "nginx", "mirror.corp.example/nginx"},
		{"mirror.corp.example", "mirror.corp.example/a/b", "mirror.corp.example/a/b"},
		{"mirror.corp.example", "", ""},
		{"mirror.corp.example", "oci://ghcr.io/llm-d/charts/x", "oci://mirror.corp.example/llm-d/charts/x"},
	} {
		got := Image(c.registry, c.ref)
		if got != c.want {
			t.Errorf("Image(%q, %q) = %q, want %q", c.registry, c.ref, got, c.want)
		}
		if again := Image(c.registry, got); again != got {
			t.Errorf("Image(%q, %q) = %q: applied twice it differs", c.registry, got, again)
		}
	}
}
