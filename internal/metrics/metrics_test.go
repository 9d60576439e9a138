// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/metrics"
)

func start() time.Time { return time.Unix(1_000_000, 0) }

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// workspace has the conditions told as "TYPE=STATUS REASON".
func workspace(name string, conditions ...string) *v1beta1.Workspace {
	ws := &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{
		Namespace: "models", Name: name, Generation: 1, CreationTimestamp: metav1.NewTime(start()),
	}}
	for _, text := range conditions {
		kind, rest, _ := strings.Cut(text, "=")
		status, reason, _ := strings.Cut(rest, " ")
		ws.Status.ObservedGeneration = 1
		ws.Status.Conditions = append(ws.Status.Conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionStatus(status), Reason: reason, LastTransitionTime: metav1.NewTime(start().Add(time.Minute)),
		})
	}
	return ws
}

func with(ws *v1beta1.Workspace, change func(*v1beta1.Workspace)) *v1beta1.Workspace {
	change(ws)
	return ws
}

func fleet() []*v1beta1.Workspace {
	pool := func(version string) func(*v1beta1.Workspace) {
		return func(ws *v1beta1.Workspace) {
			ws.Status.InferencePool = &v1beta1.InferencePoolStatus{Chart: "oci://charts/inferencepool", Version: version}
		}
	}
	return []*v1beta1.Workspace{
		with(workspace("a", "Ready=True Ready", "InferencePoolReady=True PoolReady"), pool("v1.5.0")),
		with(workspace("b", "Ready=True Ready", "InferencePoolReady=True PoolReady"), pool("v1.4.0")),
		with(workspace("c", "Ready=False LoadingModel", "Foreign=True Because"), pool("")),
		with(workspace("d", "Ready=True Ready"), func(ws *v1beta1.Workspace) { ws.Generation = 2 }),
		workspace("e"),
		with(workspace("f", "Ready=False OOMKilled"), func(ws *v1beta1.Workspace) { ws.DeletionTimestamp = new(metav1.Now()) }),
	}
}

func registered(t *testing.T, leads <-chan struct{}) (*metrics.Metrics, *prometheus.Registry) {
	t.Helper()
	m, registry := metrics.New(), prometheus.NewPedanticRegistry()
	if err := m.Register(registry, metrics.NewFleet(slices.Values(fleet()), leads)); err != nil {
		t.Fatal(err)
	}
	return m, registry
}

func TestFleet(t *testing.T) {
	t.Parallel()
	m, registry := registered(t, closed())
	m.AuthorityExpires(time.Unix(5000, 0))
	m.CertificateExpires(client.ObjectKey{Name: "a"}, time.Unix(4000, 0))
	m.CertificateExpires(client.ObjectKey{Name: "b"}, time.Unix(3000, 0))
	m.CertificateExpires(client.ObjectKey{Name: "c"}, time.Unix(2000, 0))
	m.Forget(client.ObjectKey{Name: "c"})
	const want = `
# HELP kaito_workspace_certificate_expiry_timestamp_seconds When the first certificate of its sort expires: of the authority that the operator keeps, or of the Endpoint Pickers that Gateways verify.
# TYPE kaito_workspace_certificate_expiry_timestamp_seconds gauge
kaito_workspace_certificate_expiry_timestamp_seconds{certificate="authority"} 5000
kaito_workspace_certificate_expiry_timestamp_seconds{certificate="endpoint-picker"} 3000
# HELP kaito_workspace_conditions Workspaces by condition, its status and its reason. Those without any status count as Ready Unknown NotReported.
# TYPE kaito_workspace_conditions gauge
kaito_workspace_conditions{condition="InferencePoolReady",reason="PoolReady",status="True"} 2
kaito_workspace_conditions{condition="Ready",reason="LoadingModel",status="False"} 1
kaito_workspace_conditions{condition="Ready",reason="NotReported",status="Unknown"} 1
kaito_workspace_conditions{condition="Ready",reason="Ready",status="True"} 3
# HELP kaito_workspace_deleting Workspaces that are being deleted. They are not counted otherwise.
# TYPE kaito_workspace_deleting gauge
kaito_workspace_deleting 1
# HELP kaito_workspace_pool_charts Workspaces by the pool chart that is deployed for them.
# TYPE kaito_workspace_pool_charts gauge
kaito_workspace_pool_charts{chart="oci://charts/inferencepool",version="v1.4.0"} 1
kaito_workspace_pool_charts{chart="oci://charts/inferencepool",version="v1.5.0"} 1
# HELP kaito_workspace_unobserved Workspaces whose last change is not answered in their status yet.
# TYPE kaito_workspace_unobserved gauge
kaito_workspace_unobserved 2
# HELP kaito_workspace_unready_since_timestamp_seconds Since when a Workspace is not Ready: each of the 1000 that are so the longest. Those that are Ready have no series.
# TYPE kaito_workspace_unready_since_timestamp_seconds gauge
kaito_workspace_unready_since_timestamp_seconds{reason="LoadingModel",workspace="c",workspace_namespace="models"} 1.00006e+06
kaito_workspace_unready_since_timestamp_seconds{reason="NotReported",workspace="e",workspace_namespace="models"} 1e+06
`
	err := testutil.GatherAndCompare(registry, strings.NewReader(want), "kaito_workspace_certificate_expiry_timestamp_seconds",
		"kaito_workspace_conditions", "kaito_workspace_deleting", "kaito_workspace_pool_charts", "kaito_workspace_unobserved",
		"kaito_workspace_unready_since_timestamp_seconds")
	if err != nil {
		t.Error(err)
	}
}

// TestFleetOfMany: of a fleet that fails as a whole those have a series that are not Ready the longest, and all are counted.
func TestFleetOfMany(t *testing.T) {
	t.Parallel()
	var all []*v1beta1.Workspace
	for i := range 1500 {
		all = append(all, with(workspace(fmt.Sprintf("w%04d", i)), func(ws *v1beta1.Workspace) {
			ws.CreationTimestamp = metav1.Unix(int64(1500-i), 0)
		}))
	}
	registry := prometheus.NewPedanticRegistry()
	if err := metrics.New().Register(registry, metrics.NewFleet(slices.Values(all), closed())); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			values[family.GetName()] = append(values[family.GetName()], m.GetGauge().GetValue())
		}
	}
	since := values["kaito_workspace_unready_since_timestamp_seconds"]
	if len(since) != 1000 || slices.Max(since) != 1000 {
		t.Errorf("%d Workspaces are named, the youngest is not Ready since %v; want the 1000 oldest", len(since), slices.Max(since))
	}
	if diff := cmp.Diff([]float64{1500}, values["kaito_workspace_conditions"]); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

// TestStandby: a replica that stands by has the same cache, and counts nothing.
func TestStandby(t *testing.T) {
	t.Parallel()
	_, registry := registered(t, make(chan struct{}))
	for _, name := range []string{"kaito_workspace_conditions", "kaito_workspace_unobserved", "kaito_workspace_deleting"} {
		if n, err := testutil.GatherAndCount(registry, name); n != 0 || err != nil {
			t.Errorf("%d series of %s, %v", n, name, err)
		}
	}
}

// TestNames: names, units and help texts are as Prometheus has them.
func TestNames(t *testing.T) {
	t.Parallel()
	_, registry := registered(t, closed())
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%+v", p)
	}
}

// TestRefusals: whatever a webhook calls its refusal, the number of series is bounded.
func TestRefusals(t *testing.T) {
	t.Parallel()
	m, registry := registered(t, closed())
	before, err := testutil.GatherAndCount(registry, "kaito_workspace_dry_run_refusals_total")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range []string{"Forbidden", "Invalid", "SelectorDoesNotMatch", "no more on Fridays", "mine/7f3a"} {
		m.Refused(reason)
	}
	after, err := testutil.GatherAndCount(registry, "kaito_workspace_dry_run_refusals_total")
	if err != nil || after != before {
		t.Errorf("%d series, then %d, %v", before, after, err)
	}
}

// TestTimeToReady: each change is measured once.
func TestTimeToReady(t *testing.T) {
	t.Parallel()
	const loading, ready = "Ready=False LoadingModel", "Ready=True Ready"
	type step struct {
		after      int64
		generation int64
		status     string
	}
	for name, test := range map[string]struct {
		// before is the status that an operator finds which has just started.
		before string
		steps  []step
		// want are the sums in seconds and the counts, since creation and since a change.
		want map[string][2]float64
	}{
		"created":           {"", []step{{1, 1, loading}, {61, 1, ready}}, map[string][2]float64{"creation": {61, 1}}},
		"ready at once":     {"", []step{{3, 1, ready}}, map[string][2]float64{"creation": {3, 1}}},
		"a later crash":     {"", []step{{1, 1, loading}, {61, 1, ready}, {100, 1, "Ready=False OOMKilled"}, {200, 1, ready}}, map[string][2]float64{"creation": {61, 1}}},
		"a restart":         {ready, []step{{100, 1, ready}}, nil},
		"a restart between": {loading, []step{{100, 1, loading}, {200, 1, ready}}, nil},
		"changed":           {ready, []step{{100, 2, loading}, {130, 2, ready}, {140, 2, ready}}, map[string][2]float64{"change": {30, 1}}},
		"changed twice":     {ready, []step{{100, 2, loading}, {110, 3, loading}, {130, 3, ready}}, map[string][2]float64{"change": {20, 1}}},
		"changed at once":   {ready, []step{{100, 2, ready}, {110, 3, ready}}, map[string][2]float64{"change": {0, 2}}},
		"created, changed":  {"", []step{{1, 1, loading}, {10, 2, loading}, {30, 2, ready}}, map[string][2]float64{"change": {20, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, registry := registered(t, closed())
			ws := workspace("x")
			if test.before != "" {
				ws = workspace("x", test.before)
			}
			for _, s := range test.steps {
				now := start().Add(time.Duration(s.after) * time.Second)
				ws.Generation = s.generation
				m.Changing(ws, ws.Status, now)
				ws.Status = workspace("x", s.status).Status
				ws.Status.ObservedGeneration = s.generation
				m.Reported(client.ObjectKeyFromObject(ws), ws.Status, now)
			}
			for since, have := range histograms(t, registry) {
				if have != test.want[since] {
					t.Errorf("since %s: %v (sum, count), want %v", since, have, test.want[since])
				}
			}
		})
	}
}

func histograms(t *testing.T, registry *prometheus.Registry) map[string][2]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][2]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if h := m.GetHistogram(); h != nil {
				out[m.GetLabel()[0].GetValue()] = [2]float64{h.GetSampleSum(), float64(h.GetSampleCount())}
			}
		}
	}
	return out
}
