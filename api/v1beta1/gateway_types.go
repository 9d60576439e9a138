// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1beta1

// RouteMode says who makes the route from the Gateway to the model.
//
// +kubebuilder:validation:Enum=Managed;None
type RouteMode string

const (
	// RouteManaged: the operator makes the HTTPRoute.
	RouteManaged RouteMode = "Managed"
	// RouteNone: no route is made; routes of the user's own may name the InferencePool. The Endpoint Picker has a certificate
	// all the same, with the authority to verify it by in the ConfigMap <its Service>-tls.
	RouteNone RouteMode = "None"
)

// GatewaySpec says at which Gateway a model is offered.
//
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'None' || (!has(self.parentRefs) && !has(self.hostnames) && !has(self.models))",message="mode None makes no route: remove parentRefs, hostnames and models, or write mode: Managed"
type GatewaySpec struct {
	// mode is Managed (default), or None to make no route although the operator has a default Gateway.
	// +kubebuilder:default=Managed
	// +optional
	Mode RouteMode `json:"mode,omitempty"`

	// parentRefs are the Gateways; default the operator's default Gateway. At most 4.
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, b.name == a.name && (has(b.__namespace__) ? b.__namespace__ : '') == (has(a.__namespace__) ? a.__namespace__ : '') && (has(b.sectionName) ? b.sectionName : '') == (has(a.sectionName) ? a.sectionName : '')))",message="parentRefs must differ: remove the Gateway that is named twice"
	// +listType=atomic
	// +optional
	ParentRefs []GatewayReference `json:"parentRefs,omitempty"`

	// hostnames are the DNS names that clients call, exact or with a wildcard as first label; default all that the
	// Gateway's listeners have. At most 16.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +listType=set
	// +optional
	Hostnames []string `json:"hostnames,omitempty"`

	// models are the names by which clients ask for what inference.template serves, as its server knows them; default
	// none. Body-based routing needs them, since it routes by the name in a request. At most 16. A preset's own name, and
	// those of its adapters, are known without.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[A-Za-z0-9][-A-Za-z0-9._:/@+]*$`
	// +listType=set
	// +optional
	Models []string `json:"models,omitempty"`
}

// GatewayReference names a Gateway, or one of its listeners.
type GatewayReference struct {
	// name of the Gateway.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`

	// namespace of the Gateway; default the Workspace's.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// sectionName is the name of one listener; default all listeners that admit the route.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +optional
	SectionName string `json:"sectionName,omitempty"`
}
