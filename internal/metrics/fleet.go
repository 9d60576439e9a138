// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"cmp"
	"iter"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// reasonNotReported stands for the reason of a Workspace that has no status yet.
const reasonNotReported = "NotReported"

// maxNamed is how many Workspaces have series of their own. A fleet that fails as a whole must not take Prometheus with it.
const maxNamed = 1000

// Fleet counts the Workspaces that a cache holds, at each scrape. Series by Workspace exist only of those that are not
// Ready: an alert must name them, and a fleet that works costs nothing, however large.
type Fleet struct {
	workspaces iter.Seq[*v1beta1.Workspace]
	// leads is closed when this process works. The others have the same cache, and everything would be counted twice.
	leads        <-chan struct{}
	certificates *certificates

	conditions, charts, unready, unobserved, deleting, expiry *prometheus.Desc
}

// NewFleet returns the collector over a cache of Workspaces.
func NewFleet(workspaces iter.Seq[*v1beta1.Workspace], leads <-chan struct{}) *Fleet {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &Fleet{
		workspaces: workspaces, leads: leads, certificates: newCertificates(),
		conditions: desc("kaito_workspace_conditions",
			"Workspaces by condition, its status and its reason. Those without any status count as Ready Unknown "+reasonNotReported+".",
			"condition", "status", labelReason),
		charts: desc("kaito_workspace_pool_charts",
			"Workspaces by the pool chart that is deployed for them.", "chart", "version"),
		unready: desc("kaito_workspace_unready_since_timestamp_seconds",
			"Since when a Workspace is not Ready: each of the 1000 that are so the longest. Those that are Ready have no series.",
			labelNamespace, labelWorkspace, labelReason),
		unobserved: desc("kaito_workspace_unobserved",
			"Workspaces whose last change is not answered in their status yet."),
		deleting: desc("kaito_workspace_deleting",
			"Workspaces that are being deleted. They are not counted otherwise."),
		expiry: desc("kaito_workspace_certificate_expiry_timestamp_seconds",
			"When the first certificate of its sort expires: of the authority that the operator keeps, or of the Endpoint Pickers "+
				"that Gateways verify.", "certificate"),
	}
}

// Describe sends what Collect may send.
func (f *Fleet) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{f.conditions, f.charts, f.unready, f.unobserved, f.deleting, f.expiry} {
		out <- desc
	}
}

// Collect counts.
func (f *Fleet) Collect(out chan<- prometheus.Metric) {
	select {
	case <-f.leads:
	default:
		return
	}
	c := census{conditions: map[[3]string]int{}, charts: map[[2]string]int{}}
	for ws := range f.workspaces {
		c.count(ws)
	}
	for _, u := range c.longestUnready() {
		gauge(out, f.unready, float64(u.since), u.workspace.Namespace, u.workspace.Name, u.reason)
	}
	for key, n := range c.conditions {
		gauge(out, f.conditions, float64(n), key[:]...)
	}
	for key, n := range c.charts {
		gauge(out, f.charts, float64(n), key[:]...)
	}
	gauge(out, f.unobserved, float64(c.unobserved))
	gauge(out, f.deleting, float64(c.deleting))
	for certificate, at := range f.certificates.expiry() {
		gauge(out, f.expiry, at, certificate)
	}
}

func gauge(out chan<- prometheus.Metric, desc *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

// census is what is counted over all Workspaces.
type census struct {
	// conditions are by condition, status and reason; charts by chart and version.
	conditions           map[[3]string]int
	charts               map[[2]string]int
	unobserved, deleting int
	unready              []unready
}

// unready is a Workspace that is not Ready, since when, in seconds of Unix time, and why.
type unready struct {
	workspace *v1beta1.Workspace
	since     int64
	reason    string
}

// count adds one Workspace.
func (c *census) count(ws *v1beta1.Workspace) {
	if ws.DeletionTimestamp != nil {
		c.deleting++
		return
	}
	if ws.Status.ObservedGeneration != ws.Generation {
		c.unobserved++
	}
	for _, condition := range ws.Status.Conditions {
		if isOurs(condition.Type) {
			c.conditions[[3]string{condition.Type, string(condition.Status), condition.Reason}]++
		}
	}
	ready := meta.FindStatusCondition(ws.Status.Conditions, v1beta1.ConditionReady)
	switch {
	case ready == nil:
		c.conditions[[3]string{v1beta1.ConditionReady, string(metav1.ConditionUnknown), reasonNotReported}]++
		c.unready = append(c.unready, unready{ws, ws.CreationTimestamp.Unix(), reasonNotReported})
	case ready.Status != metav1.ConditionTrue:
		c.unready = append(c.unready, unready{ws, ready.LastTransitionTime.Unix(), ready.Reason})
	}
	if pool := ws.Status.InferencePool; pool != nil && pool.Version != "" {
		c.charts[[2]string{pool.Chart, pool.Version}]++
	}
}

// longestUnready are those that get series of their own.
func (c *census) longestUnready() []unready {
	if len(c.unready) > maxNamed {
		slices.SortFunc(c.unready, func(a, b unready) int {
			return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(a.workspace.Namespace, b.workspace.Namespace),
				cmp.Compare(a.workspace.Name, b.workspace.Name))
		})
		return c.unready[:maxNamed]
	}
	return c.unready
}

// isOurs says that a condition has reasons from a closed list. Others may have been left by whoever looked after the
// Workspace before.
func isOurs(condition string) bool {
	switch condition {
	case v1beta1.ConditionReady, v1beta1.ConditionReconciling, v1beta1.ConditionStalled, v1beta1.ConditionResourceReady,
		v1beta1.ConditionInferenceReady, v1beta1.ConditionInferencePoolReady, v1beta1.ConditionRouteReady,
		v1beta1.ConditionWorkspaceSucceeded:
		return true
	default:
		return false
	}
}
