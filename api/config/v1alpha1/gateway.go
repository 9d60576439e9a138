// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	bodyBasedRoutingChart   = "oci://registry.k8s.io/gateway-api-inference-extension/charts/body-based-routing"
	bodyBasedRoutingImage   = "registry.k8s.io/gateway-api-inference-extension/bbr"
	bodyBasedRoutingVersion = "v1.5.0"
	modelsService           = "workspace-operator-models"
)

// defaultGateway fills every field that is not set. The router's own fields stay empty while it is not wanted.
func defaultGateway(g *Gateway) {
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
	router.Version = orDefault(router.Version, bodyBasedRoutingVersion)
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
	all = append(all, validateTag(b.Version, at.Child("version"))...)
	// Earlier charts hook the router into every proxy of its namespace, and name their values differently.
	if b.Version != bodyBasedRoutingVersion {
		all = append(all, field.NotSupported(at.Child("version"), b.Version, []string{bodyBasedRoutingVersion}))
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
