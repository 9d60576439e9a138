// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "slices"

// dialectFacts are what is known of a family of charts.
type dialectFacts struct {
	// versions that the operator renders values for, oldest first.
	versions       []string
	defaultVersion string
	// url is where the chart is published, eppImage the repository that its values name.
	url, eppImage string
	// certificatesFrom is the first version that can mount a certificate for the EPP and reload it.
	certificatesFrom string
	// objectivesUntil is the last version whose EPP watches InferenceObjectives without looking whether they are served.
	objectivesUntil string
}

// Dialects returns the chart dialects that the operator renders values for.
func Dialects() []ChartDialect { return []ChartDialect{DialectInferencePool, DialectLLMDRouter} }

// SupportedVersions returns the chart versions of a dialect, oldest first; none for an unknown dialect. An unknown
// version is refused because charts ignore values that they do not know: the pool would come up wrong in silence.
func SupportedVersions(dialect ChartDialect) []string {
	d, _ := dialectOf(dialect)
	return d.versions
}

// ServesCertificates says whether a chart of that version can give the Endpoint Picker a certificate to serve.
func ServesCertificates(dialect ChartDialect, version string) bool {
	d, _ := dialectOf(dialect)
	from := slices.Index(d.versions, d.certificatesFrom)
	return from >= 0 && slices.Index(d.versions, version) >= from
}

// CertificatesFrom returns the first version of a dialect for which ServesCertificates is true.
func CertificatesFrom(dialect ChartDialect) string {
	d, _ := dialectOf(dialect)
	return d.certificatesFrom
}

// NeedsObjectives says whether an Endpoint Picker of that version does not start without the InferenceObjective's CRD.
func NeedsObjectives(dialect ChartDialect, version string) bool {
	d, _ := dialectOf(dialect)
	at := slices.Index(d.versions, version)
	return at >= 0 && at <= slices.Index(d.versions, d.objectivesUntil)
}

func dialectOf(dialect ChartDialect) (dialectFacts, bool) {
	switch dialect {
	case DialectInferencePool:
		return dialectFacts{
			versions: []string{
				"v1.0.0", "v1.0.1", "v1.0.2", "v1.1.0", "v1.2.0", "v1.2.1", "v1.3.0", "v1.3.1", "v1.4.0", "v1.5.0",
			},
			defaultVersion: "v1.5.0",
			url:            "oci://registry.k8s.io/gateway-api-inference-extension/charts/inferencepool",
			eppImage:       "registry.k8s.io/gateway-api-inference-extension/epp",

			certificatesFrom: "v1.3.0",
			objectivesUntil:  "v1.2.1",
		}, true
	case DialectLLMDRouter:
		return dialectFacts{
			versions:       []string{"v0.9.0", "v0.10.0"},
			defaultVersion: "v0.10.0",
			url:            "oci://ghcr.io/llm-d/charts/llm-d-router-gateway",
			eppImage:       "ghcr.io/llm-d/llm-d-router-endpoint-picker",

			certificatesFrom: "v0.9.0",
		}, true
	default:
		return dialectFacts{}, false
	}
}
