// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GatewayImplementation names what stands behind the Gateways, as far as it needs objects of its own.
type GatewayImplementation string

const (
	// ImplementationIstio verifies the Endpoint Picker by a DestinationRule.
	ImplementationIstio GatewayImplementation = "istio"
	// ImplementationOther verifies it by a BackendTLSPolicy.
	ImplementationOther GatewayImplementation = "other"
)

// Gateway says how models are offered at Gateways of the Gateway API.
type Gateway struct {
	// default is the Gateway of Workspaces that name none; without it such Workspaces get no route.
	Default *GatewayReference `json:"default,omitempty"`
	// implementation is istio (default) or other.
	Implementation GatewayImplementation `json:"implementation,omitempty"`
	// requestTimeout bounds a whole request, streamed answer included; default 0s, no bound: clients decide, since long
	// answers take minutes.
	RequestTimeout metav1.Duration `json:"requestTimeout,omitempty"`
	// bodyBasedRouting lets clients choose the model by the name in the request body.
	BodyBasedRouting BodyBasedRouting `json:"bodyBasedRouting,omitempty"`
	// tls is about the connection from the gateway to the Endpoint Picker.
	TLS GatewayTLS `json:"tls,omitempty"`
	// probe sends a request through the Gateway after each change and every ten minutes, which no model works for, to see
	// that the Endpoint Picker is asked; default true.
	Probe *bool `json:"probe,omitempty"`
}

// GatewayReference names a Gateway, or one of its listeners.
type GatewayReference struct {
	// name of the Gateway.
	Name string `json:"name"`
	// namespace of the Gateway.
	Namespace string `json:"namespace"`
	// sectionName is the name of one listener; default all listeners that admit the route.
	SectionName string `json:"sectionName,omitempty"`
}

// BodyBasedRouting is installed once for each Gateway that Workspaces are offered at, in the Gateway's namespace.
type BodyBasedRouting struct {
	// enabled matches routes by the name of the model instead of the path. Default false.
	Enabled bool `json:"enabled,omitempty"`
	// chartURL is the chart's OCI URL; default the body-based-routing chart of the Gateway API Inference Extension.
	ChartURL string `json:"chartURL,omitempty"`
	// version is the tag of chart and image: v1.3.0, v1.3.1, v1.4.0 or v1.5.0. By default it follows chart.version: the same
	// release, v1.3.0 for an older one, v1.5.0 for llm-d-router-gateway.
	Version string `json:"version,omitempty"`
	// digest pins the chart's artifact, sha256:…; optional.
	Digest string `json:"digest,omitempty"`
	// image is the repository of its image; default the chart's own.
	Image string `json:"image,omitempty"`
	// imageDigest pins the image, sha256:…; optional.
	ImageDigest string `json:"imageDigest,omitempty"`
	// replicas of the router; default 2, since without it its whole Gateway refuses requests.
	Replicas int32 `json:"replicas,omitempty"`
	// modelsService is the Service of the operator's namespace whose port 80 leads to the operator's --models-bind-address:
	// GET /v1/models at a Gateway, and requests for models that do not exist, are answered there. Default
	// workspace-operator-models.
	ModelsService string `json:"modelsService,omitempty"`
}

// GatewayTLS is about the connection from the gateway to the Endpoint Picker, which is always encrypted.
type GatewayTLS struct {
	// insecureSkipVerify does without a certificate authority: the gateway then accepts any certificate. Default false.
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
	// certManager has cert-manager make the certificates of Endpoint Pickers. Without it the operator signs them itself.
	CertManager *CertManager `json:"certManager,omitempty"`
}

// CertManager says who signs the certificates that cert-manager makes.
type CertManager struct {
	// issuerRef names an issuer of cert-manager.
	IssuerRef IssuerReference `json:"issuerRef"`
	// caBundle is the certificate of the authority that the issuer signs with, as PEM: gateways verify Endpoint Pickers by
	// it, and the operator may not read it out of a Secret. While one authority replaces another, write both.
	CABundle string `json:"caBundle"`
}

// IssuerReference names an issuer of cert-manager.
type IssuerReference struct {
	// name of the issuer.
	Name string `json:"name"`
	// kind is ClusterIssuer (default) or Issuer, which must be in each Workspace's namespace. Other groups have other kinds.
	Kind string `json:"kind,omitempty"`
	// group of the kind; default cert-manager.io.
	Group string `json:"group,omitempty"`
}
