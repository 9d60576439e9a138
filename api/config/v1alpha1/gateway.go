// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	bodyBasedRoutingChart = "oci://registry.k8s.io/gateway-api-inference-extension/charts/body-based-routing"
	bodyBasedRoutingImage = "registry.k8s.io/gateway-api-inference-extension/bbr"
	modelsService         = "workspace-operator-models"
)

// RouterVersions are the versions of body-based routing that the operator renders values for, oldest first. Those before
// send a body to Envoy in one piece, which Envoy refuses from 64 KiB on.
func RouterVersions() []string { return []string{"v1.3.0", "v1.3.1", "v1.4.0", "v1.5.0"} }

// RouterVersionFor returns the version of body-based routing that goes with a pool chart: the one of the same release;
// where there is none, the oldest for older charts and the newest for later ones.
func RouterVersionFor(chart Chart) string {
	versions := RouterVersions()
	switch {
	case chart.Dialect != DialectInferencePool:
		return versions[len(versions)-1]
	case slices.Contains(versions, chart.Version):
		return chart.Version
	default:
		return versions[0]
	}
}

// defaultGateway fills every field that is not set. The router's own fields stay empty while it is not wanted.
func defaultGateway(g *Gateway, chart Chart) {
	g.Implementation = orDefault(g.Implementation, ImplementationIstio)
	if g.Probe == nil {
		g.Probe = new(true)
	}
	if g.TLS.CertManager != nil {
		defaultIssuer(&g.TLS.CertManager.IssuerRef)
	}
	router := &g.BodyBasedRouting
	if !router.Enabled {
		return
	}
	router.ChartURL = orDefault(router.ChartURL, bodyBasedRoutingChart)
	router.Version = orDefault(router.Version, RouterVersionFor(chart))
	router.Image = orDefault(router.Image, bodyBasedRoutingImage)
	router.Replicas = orDefault(router.Replicas, 2)
	router.ModelsService = orDefault(router.ModelsService, modelsService)
}

func (g Gateway) validate(at *field.Path) field.ErrorList {
	var all field.ErrorList
	if g.Default != nil {
		all = append(all, g.Default.validate(at.Child("default"))...)
	}
	if g.Implementation != ImplementationIstio && g.Implementation != ImplementationOther {
		all = append(all, field.NotSupported(at.Child("implementation"), g.Implementation,
			[]GatewayImplementation{ImplementationIstio, ImplementationOther}))
	}
	// The Gateway API writes durations without fractions.
	if t := g.RequestTimeout.Duration; t < 0 || t%time.Second != 0 {
		all = append(all, field.Invalid(at.Child("requestTimeout"), t.String(), "must be whole seconds, such as 10m; 0s is no bound"))
	}
	all = append(all, g.TLS.validate(at.Child("tls"))...)
	if g.BodyBasedRouting.Enabled {
		all = append(all, g.BodyBasedRouting.validate(at.Child("bodyBasedRouting"))...)
		if g.Implementation != ImplementationIstio {
			all = append(all, field.Forbidden(at.Child("bodyBasedRouting", "enabled"),
				"the chart knows how to hook the router into Istio only: set implementation: istio, or install a router of your own"))
		}
	}
	return all
}

func (r GatewayReference) validate(at *field.Path) field.ErrorList {
	var all field.ErrorList
	for key, value := range map[string]string{"name": r.Name, "namespace": r.Namespace} {
		if value == "" {
			all = append(all, field.Required(at.Child(key), "the default Gateway needs name and namespace"))
		}
	}
	if r.Name != "" {
		all = append(all, validateNames([]string{r.Name}, at.Child("name"))...)
	}
	if r.Namespace != "" {
		for _, message := range validation.IsDNS1123Label(r.Namespace) {
			all = append(all, field.Invalid(at.Child("namespace"), r.Namespace, message))
		}
	}
	if r.SectionName != "" {
		all = append(all, validateNames([]string{r.SectionName}, at.Child("sectionName"))...)
	}
	return all
}

func (b BodyBasedRouting) validate(at *field.Path) field.ErrorList {
	all := validateRepository(b.Image, at.Child("image"))
	all = append(all, validateDigest(b.ImageDigest, at.Child("imageDigest"))...)
	all = append(all, validateDigest(b.Digest, at.Child("digest"))...)
	if !slices.Contains(RouterVersions(), b.Version) {
		all = append(all, field.NotSupported(at.Child("version"), b.Version, RouterVersions()))
	}
	repository, isOCI := strings.CutPrefix(b.ChartURL, "oci://")
	if !isOCI {
		all = append(all, field.Invalid(at.Child("chartURL"), withoutUserinfo(b.ChartURL), "must begin with oci://"))
	} else {
		all = append(all, validateRepository(repository, at.Child("chartURL"))...)
	}
	all = append(all, validateNames([]string{b.ModelsService}, at.Child("modelsService"))...)
	if b.Replicas < 1 {
		all = append(all, field.Invalid(at.Child("replicas"), b.Replicas, "must be at least 1"))
	}
	return all
}
