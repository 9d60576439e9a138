// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/status"
	"github.com/workspace-operator/workspace-operator/internal/status/statustest"
)

// clock finds times of day and of the calendar, which would change a message although nothing happened.
var clock = regexp.MustCompile(`\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d`)

// TestInvariants puts together worlds from parts of all cases, which do not fit each other as they would in a cluster
// where everything is half done, and lets several follow on each other.
func TestInvariants(t *testing.T) {
	t.Parallel()
	var steps []statustest.Step
	for _, c := range readCases(t) {
		steps = append(steps, c.Steps...)
	}
	rapid.Check(t, func(t *rapid.T) {
		var now v1beta1.WorkspaceStatus
		for n := range rapid.IntRange(1, 4).Draw(t, "worlds") {
			in := mixture(t, steps)
			in.Previous = now
			in.Generation = int64(n/2 + 1)
			in.Now = metav1.NewTime(time.Date(2030, 1, 1, 0, n, 0, 0, time.UTC))
			next := status.Compute(in)
			for _, broken := range invariants(in, next) {
				t.Errorf("world %d: %s", n, broken)
			}
			now = next
		}
	})
}

func mixture(t *rapid.T, steps []statustest.Step) status.Input {
	part := func(of string) status.Input {
		return rapid.SampledFrom(steps).Draw(t, of).Input(v1beta1.WorkspaceStatus{})
	}
	in := part("plan")
	in.Nodes = part("nodes").Nodes
	w := part("workload")
	in.WorkloadErr, in.WorkloadChanging, in.Shape = w.WorkloadErr, w.WorkloadChanging, w.Shape
	in.Children.Deployments, in.Children.StatefulSets = w.Children.Deployments, w.Children.StatefulSets
	in.Children.Pods = part("pods").Children.Pods
	// Without a plan that wants a pool nothing is done about one, and nothing can fail.
	in.PoolErr, in.PoolChanging = nil, false
	if in.Plan != nil && in.Plan.Pool != nil {
		p := part("pool")
		in.PoolErr, in.PoolChanging = p.PoolErr, p.PoolChanging
	}
	in.Children.Repository = part("repository").Children.Repository
	in.Children.Release = part("release").Children.Release
	in.Children.InferencePool = part("inferencepool").Children.InferencePool
	epp := part("epp").Children
	in.Children.EPP, in.Children.EPPPods = epp.EPP, epp.EPPPods
	return withRoute(in, part)
}

// withRoute adds what is observed of routes, which is nothing unless one is wanted.
func withRoute(in status.Input, part func(string) status.Input) status.Input {
	in.RouteErr, in.RouteChanging, in.Routing = nil, false, status.Routing{}
	if in.Plan == nil || in.Plan.Route == nil {
		return in
	}
	r := part("route")
	in.RouteErr, in.RouteChanging = r.RouteErr, r.RouteChanging
	in.Routing = part("routing").Routing
	in.Routing.Route, in.Routing.Foreign = r.Routing.Route, r.Routing.Foreign
	in.Routing.Routers = part("routers").Routing.Routers
	in.Routing.Proof = part("proof").Routing.Proof
	if len(in.Routing.Missing) > 0 {
		in.Routing = status.Routing{Missing: in.Routing.Missing}
	}
	return in
}

// invariants says which of the rules that hold in every world are broken by what in led to.
func invariants(in status.Input, out v1beta1.WorkspaceStatus) []string {
	var broken []string
	again := in
	again.Previous = out
	again.Now = metav1.NewTime(in.Now.Add(time.Hour))
	if diff := cmp.Diff(out, status.Compute(again)); diff != "" {
		broken = append(broken, "the same world leads to another status the second time:\n"+diff)
	}
	for _, c := range out.Conditions {
		broken = append(broken, conditionInvariants(in, c)...)
	}
	broken = append(broken, summaryInvariants(out)...)
	if in.Plan != nil && in.WorkloadChanging && meta.IsStatusConditionTrue(out.Conditions, v1beta1.ConditionInferenceReady) {
		broken = append(broken, "InferenceReady is True although what it judges is out of date")
	}
	return append(broken, slices.Concat(poolInvariants(in, out), routeInvariants(in, out))...)
}

func conditionInvariants(in status.Input, c metav1.Condition) []string {
	var broken []string
	if c.ObservedGeneration != in.Generation {
		broken = append(broken, fmt.Sprintf("%s speaks of generation %d, not %d", c.Type, c.ObservedGeneration, in.Generation))
	}
	// What a container said last may hold anything.
	times := c.Reason != v1beta1.ReasonCrashLoopBackOff && clock.MatchString(c.Message)
	if strings.ContainsAny(c.Message, "\n\t") || c.Message == "" || times {
		broken = append(broken, fmt.Sprintf("%s: not a line without times: %q", c.Type, c.Message))
	}
	if !slices.Contains(conditionTypes(), c.Type) {
		broken = append(broken, c.Type+" is no condition that is computed")
	}
	before := meta.FindStatusCondition(in.Previous.Conditions, c.Type)
	changed := before == nil || before.Status != c.Status
	if since := c.LastTransitionTime; changed != since.Equal(&in.Now) {
		broken = append(broken, fmt.Sprintf("%s: changed=%v, but lastTransitionTime is %s at %s", c.Type, changed, since, in.Now))
	}
	return broken
}

func summaryInvariants(out v1beta1.WorkspaceStatus) []string {
	var broken []string
	value := func(conditionType string) metav1.ConditionStatus {
		if c := meta.FindStatusCondition(out.Conditions, conditionType); c != nil {
			return c.Status
		}
		return ""
	}
	all := true
	for _, part := range parts() {
		if v := value(part); v != metav1.ConditionTrue && v != "" {
			all = false
		}
	}
	ready := value(v1beta1.ConditionReady)
	if (ready == metav1.ConditionTrue) != all || ready == "" {
		broken = append(broken, fmt.Sprintf("Ready is %q, every part is True: %v", ready, all))
	}
	if value(v1beta1.ConditionWorkspaceSucceeded) != ready {
		broken = append(broken, "WorkspaceSucceeded differs from Ready")
	}
	busy := 0
	for _, c := range []string{v1beta1.ConditionReconciling, v1beta1.ConditionStalled} {
		switch value(c) {
		case metav1.ConditionTrue:
			busy++
		case "":
		default:
			broken = append(broken, c+" is there without being True")
		}
	}
	if want := map[bool]int{true: 0, false: 1}[ready == metav1.ConditionTrue]; busy != want {
		broken = append(broken, fmt.Sprintf("%d of Reconciling and Stalled are True while Ready is %s", busy, ready))
	}
	return broken
}

// poolInvariants: the pool is never called ready while another chart is deployed, or without an endpoint picker.
func poolInvariants(in status.Input, out v1beta1.WorkspaceStatus) []string {
	if in.Plan == nil || !meta.IsStatusConditionTrue(out.Conditions, v1beta1.ConditionInferencePoolReady) {
		return nil
	}
	if in.Children.Release == nil || in.Children.EPP == nil || in.Children.EPP.Status.AvailableReplicas == 0 {
		return []string{"InferencePoolReady without an available endpoint picker"}
	}
	newest, chart := in.Children.Release.Status.History.Latest(), in.Plan.Pool.Chart
	switch {
	case newest == nil || newest.Status != "deployed":
		return []string{"InferencePoolReady although nothing is deployed"}
	case chart.Digest != "" && newest.OCIDigest != chart.Digest,
		chart.Digest == "" && !strings.HasPrefix(newest.ChartVersion, strings.TrimPrefix(chart.Version, "v")+"+"):
		return []string{"InferencePoolReady although " + newest.ChartVersion + " is deployed"}
	}
	return nil
}

// routeInvariants: RouteReady is there if and only if a route is asked for, and never True without Gateways, route and
// proof. The endpoint is never that of a Gateway which has no route of ours.
func routeInvariants(in status.Input, out v1beta1.WorkspaceStatus) []string {
	var broken []string
	c := meta.FindStatusCondition(out.Conditions, v1beta1.ConditionRouteReady)
	if in.Plan == nil {
		return nil
	}
	if wanted := in.Plan.Route != nil || in.Plan.Unroutable; wanted != (c != nil) {
		broken = append(broken, fmt.Sprintf("a route is wanted: %v, RouteReady is there: %v", wanted, c != nil))
	}
	if in.Routing.Route == nil && out.Endpoint != "" && !strings.HasSuffix(out.Endpoint, "."+in.Plan.Namespace+".svc") {
		broken = append(broken, "without a route the endpoint is "+out.Endpoint)
	}
	if c == nil || c.Status != metav1.ConditionTrue {
		return broken
	}
	was := meta.IsStatusConditionTrue(in.Previous.Conditions, v1beta1.ConditionRouteReady)
	proof := in.Routing.Proof
	switch {
	case in.RouteErr != nil, len(in.Routing.Missing) > 0, in.Routing.Route == nil, in.RouteChanging:
		broken = append(broken, "RouteReady although there is no route")
	case len(in.Routing.Gateways) < len(in.Plan.Route.Parents):
		broken = append(broken, "RouteReady although a Gateway does not exist")
	case in.Plan.Route.Probe && proof.Known && !proof.Asked, in.Plan.Route.Probe && !proof.Known && !was:
		broken = append(broken, "RouteReady without proof that the endpoint picker is asked")
	}
	return broken
}
