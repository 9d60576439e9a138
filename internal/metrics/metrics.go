// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package metrics answers what an operator of many Workspaces asks: how many are ready, why not the others, how long it
// takes, what was refused, and what was repaired. What follows from the Workspaces themselves is counted at each scrape
// (see fleet), so that it costs a reconcile nothing and nothing is left behind of a Workspace that is gone.
package metrics

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// Labels that more than one metric has. A label named namespace would collide with that of the scraped pod.
const (
	labelReason    = "reason"
	labelNamespace = "workspace_namespace"
	labelWorkspace = "workspace"
)

// Values of the label certificate.
const (
	authorityCertificate = "authority"
	pickerCertificate    = "endpoint-picker"
)

// otherReason stands for whatever a webhook calls its refusal.
const otherReason = "Other"

// Metrics are those that the controller counts while it works.
type Metrics struct {
	readiness    *readiness
	certificates *certificates
	refusals     *prometheus.CounterVec
	repairs      *prometheus.CounterVec
	requests     prometheus.Counter
}

// New returns metrics that are counted and not registered yet.
func New() *Metrics {
	m := &Metrics{
		readiness:    newReadiness(),
		certificates: newCertificates(),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kaito_workspace_dry_run_refusals_total",
			Help: "Workloads that were not written after their dry run, by what the API server gave as reason. Each try counts; " +
				"one that is refused is tried again every half minute.",
		}, []string{labelReason}),
		repairs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kaito_workspace_drift_repairs_total",
			Help: "Objects of Workspaces that were written again because somebody had edited or deleted them, by kind.",
		}, []string{"kind"}),
		requests: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "kaito_workspace_pool_repair_requests_total",
			Help: "Times that Flux was asked to look at a pool, or at body-based routing, at once, because something that it had installed was gone or changed.",
		}),
	}
	// A counter that begins at 1 has no increase in Prometheus' eyes.
	for reason := range refusalReasons() {
		m.refusals.WithLabelValues(reason)
	}
	for _, kind := range repairedKinds() {
		m.repairs.WithLabelValues(kind)
	}
	return m
}

// Register adds everything to a registry: what m counts, and what is counted in the fleet.
func (m *Metrics) Register(registry prometheus.Registerer, fleet *Fleet) error {
	var failed error
	for _, c := range []prometheus.Collector{m.readiness.seconds, fleet, m.refusals, m.repairs, m.requests} {
		failed = errors.Join(failed, registry.Register(c))
	}
	fleet.certificates = m.certificates
	return failed
}

// refusalReasons are the values of the label reason of refusals: what API servers answer by themselves, and our own.
func refusalReasons() map[string]bool {
	out := map[string]bool{v1beta1.ReasonSelectorDrift: true, v1beta1.ReasonNameTaken: true, otherReason: true}
	for _, reason := range []metav1.StatusReason{
		metav1.StatusReasonForbidden, metav1.StatusReasonInvalid, metav1.StatusReasonBadRequest, metav1.StatusReasonNotFound,
		metav1.StatusReasonAlreadyExists, metav1.StatusReasonRequestEntityTooLarge,
	} {
		out[string(reason)] = true
	}
	return out
}

func repairedKinds() []string {
	return []string{
		"BackendTLSPolicy", "Certificate", "ConfigMap", "Deployment", "DestinationRule", "HTTPRoute", "HelmRelease", "OCIRepository",
		"PodDisruptionBudget", "Service", "StatefulSet",
	}
}

// Refused counts a workload that did not pass its dry run.
func (m *Metrics) Refused(reason string) {
	if !refusalReasons()[reason] {
		reason = otherReason
	}
	m.refusals.WithLabelValues(reason).Inc()
}

// Repaired counts an object that was put back as wanted.
func (m *Metrics) Repaired(kind string) { m.repairs.WithLabelValues(kind).Inc() }

// RepairRequested counts that Flux was asked to repair a pool, or what routes by the body at a Gateway.
func (m *Metrics) RepairRequested() { m.requests.Inc() }

// Changing is to be told of a status before it is written: a change of the Workspace begins there.
func (m *Metrics) Changing(ws *v1beta1.Workspace, before v1beta1.WorkspaceStatus, now time.Time) {
	m.readiness.begin(ws, before, now)
}

// Reported is to be told of a status that was written: a change of the Workspace ends with its being Ready.
func (m *Metrics) Reported(key types.NamespacedName, status v1beta1.WorkspaceStatus, now time.Time) {
	m.readiness.end(key, status, now)
}

// AuthorityExpires says when the authority that signs certificates expires.
func (m *Metrics) AuthorityExpires(at time.Time) { m.certificates.setAuthority(at) }

// CertificateExpires says when the certificate of a Workspace's Endpoint Picker expires; the zero time that it has none.
func (m *Metrics) CertificateExpires(key types.NamespacedName, at time.Time) {
	m.certificates.set(key, at)
}

// Forget drops what is remembered of a Workspace that is gone.
func (m *Metrics) Forget(key types.NamespacedName) {
	m.readiness.forget(key)
	m.certificates.set(key, time.Time{})
}
