// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	startupPeriod   = 10 * time.Second
	readinessPeriod = 5 * time.Second
	livenessPeriod  = 10 * time.Second
)

// httpHealth asks vLLM, which answers 200 once the model is loaded and while its engine lives.
func httpHealth(port int32) corev1.ProbeHandler {
	return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
		Path: "/health", Port: intstr.FromInt32(port), Scheme: corev1.URISchemeHTTP,
	}}
}

// startupProbe holds the other two back until download and loading are over.
func startupProbe(health corev1.ProbeHandler, loading time.Duration) *corev1.Probe {
	tries := (loading + startupPeriod - 1) / startupPeriod
	return probe(health, startupPeriod, 5*time.Second, int32(tries))
}

// readinessProbe gates membership of the pool and the Services: out after two misses. The wait for one answer is long,
// because a busy server is not a sick one.
func readinessProbe(health corev1.ProbeHandler) *corev1.Probe {
	return probe(health, readinessPeriod, 5*time.Second, 2)
}

// livenessProbe restarts a server that hung. It takes a minute, since a restart loads all weights again.
func livenessProbe(health corev1.ProbeHandler) *corev1.Probe {
	return probe(health, livenessPeriod, 10*time.Second, 6)
}

func probe(health corev1.ProbeHandler, period, timeout time.Duration, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:     health,
		PeriodSeconds:    int32(period.Seconds()),
		TimeoutSeconds:   int32(timeout.Seconds()),
		SuccessThreshold: 1,
		FailureThreshold: failures,
	}
}
