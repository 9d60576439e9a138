// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// image holds both layouts of an image in values: hub and name, or registry and repository. The tag is apart in both.
type image struct {
	Hub        string            `json:"hub,omitempty"`
	Name       string            `json:"name,omitempty"`
	Registry   string            `json:"registry,omitempty"`
	Repository string            `json:"repository,omitempty"`
	Tag        string            `json:"tag"`
	PullPolicy corev1.PullPolicy `json:"pullPolicy"`
}

type targetPort struct {
	Number int32 `json:"number"`
}

type modelServers struct {
	MatchLabels map[string]string `json:"matchLabels"`
}

// monitoring switches the check of tokens on the metrics port: with it the EPP needs a cluster role.
type monitoring struct {
	Prometheus prometheus `json:"prometheus"`
}

type prometheus struct {
	Enabled bool   `json:"enabled"`
	Auth    toggle `json:"auth"`
}

type toggle struct {
	Enabled bool `json:"enabled"`
}

func encode(values any) (*apiextensionsv1.JSON, error) {
	raw, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encoding the chart's values: %w", err)
	}
	return &apiextensionsv1.JSON{Raw: raw}, nil
}

// pinned is a tag, and with a digest what charts join to an image's name the same way.
func pinned(tag, digest string) string {
	if digest == "" {
		return tag
	}
	return tag + "@" + digest
}

// qualified is an image with a registry, which all charts want: they join the parts by slashes.
func qualified(ref string) string {
	if strings.Contains(ref, "/") {
		return ref
	}
	return "docker.io/library/" + ref
}

// hubAndName splits an image before its last part.
func hubAndName(ref string) (string, string) {
	ref = qualified(ref)
	i := strings.LastIndex(ref, "/")
	return ref[:i], ref[i+1:]
}

// registryAndRepository splits an image behind its first part.
func registryAndRepository(ref string) (string, string) {
	registry, repository, _ := strings.Cut(qualified(ref), "/")
	return registry, repository
}

// coversChartDefaults says that resources set whatever charts from v1.4.0 on set by default, so that nothing of theirs
// is left when Helm merges the two.
func coversChartDefaults(resources corev1.ResourceRequirements) bool {
	_, cpu := resources.Requests[corev1.ResourceCPU]
	_, memory := resources.Requests[corev1.ResourceMemory]
	_, limit := resources.Limits[corev1.ResourceMemory]
	return cpu && memory && limit
}
