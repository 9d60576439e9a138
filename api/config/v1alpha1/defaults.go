// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	// APIVersion is the file's apiVersion.
	APIVersion = "config.kaito.sh/v1alpha1"
	// Kind is the file's kind.
	Kind = "Configuration"

	// DefaultModelServerImage is vLLM's own image.
	DefaultModelServerImage = "docker.io/vllm/vllm-openai"
	// DefaultModelServerVersion is the newest release of vLLM whose arguments were compared with the table in
	// internal/plan (2026-11); whoever changes it makes that table anew.
	DefaultModelServerVersion = "v0.33.0"

	// defaultInstallTimeout covers pulling the EPP's image on a slow registry.
	defaultInstallTimeout = 5 * time.Minute
)

// Default fills every field that is not set.
func Default(c *Configuration) {
	c.APIVersion = orDefault(c.APIVersion, APIVersion)
	c.Kind = orDefault(c.Kind, Kind)

	server := &c.ModelServer
	if server.Image == "" {
		server.Image = DefaultModelServerImage
		// Another image has versions of its own: there it must be written.
		server.Version = orDefault(server.Version, DefaultModelServerVersion)
	}
	server.PullPolicy = orDefault(server.PullPolicy, corev1.PullIfNotPresent)

	c.Chart.Dialect = orDefault(c.Chart.Dialect, DialectInferencePool)
	if d, known := dialectOf(c.Chart.Dialect); known {
		c.Chart.URL = orDefault(c.Chart.URL, d.url)
		c.Chart.Version = orDefault(c.Chart.Version, d.defaultVersion)
		if c.EndpointPicker.Image == "" {
			c.EndpointPicker.Image = d.eppImage
			c.EndpointPicker.Version = orDefault(c.EndpointPicker.Version, c.Chart.Version)
		}
	}

	picker := &c.EndpointPicker
	picker.PullPolicy = orDefault(picker.PullPolicy, corev1.PullIfNotPresent)
	picker.Replicas = orDefault(picker.Replicas, 1)
	picker.FailureMode = orDefault(picker.FailureMode, FailOpen)
	if picker.Resources.Requests == nil && picker.Resources.Limits == nil {
		picker.Resources = defaultPickerResources()
	}

	c.Flux.InstallTimeout.Duration = orDefault(c.Flux.InstallTimeout.Duration, defaultInstallTimeout)

	defaultGateway(&c.Gateway, c.Chart)
}

// defaultPickerResources are far below the chart's 4 CPU and 8 GiB, which would not fit small clusters. CPU has no
// limit: a throttled picker delays every request.
func defaultPickerResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("100m"),
			corev1.ResourceMemory: resource.MustParse("256Mi"),
		},
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
	}
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}
