// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

const (
	// maxHostnames is what the API allows in one HTTPRoute.
	maxHostnames = 16
	// maxParents is what it allows of listeners.
	maxParents = 32

	modelsSuffix = "-models"
	modelsPath   = "/v1/models"
)

// ModelList returns the HTTPRoutes that send what no model answers at a Gateway to the operator's own list of models:
// the list itself, and models that do not exist. A request for a model that exists matches its Workspace's route, which
// names a header more. Hostnames are those of all Workspaces at the Gateway, empty for those that name none.
func ModelList(r plan.Router, hostnames []string) []*gatewayv1.HTTPRoute {
	var routes []*gatewayv1.HTTPRoute
	if slices.Contains(hostnames, "") {
		routes = append(routes, modelList(r, r.Name+modelsSuffix, nil))
	}
	named := slices.Compact(slices.Sorted(slices.Values(slices.DeleteFunc(slices.Clone(hostnames), func(h string) bool { return h == "" }))))
	number := 0
	for chunk := range slices.Chunk(named, maxHostnames) {
		number++
		routes = append(routes, modelList(r, fmt.Sprintf("%s%s-%d", r.Name, modelsSuffix, number), chunk))
	}
	return routes
}

func modelList(r plan.Router, name string, hostnames []string) *gatewayv1.HTTPRoute {
	spec := gatewayv1.HTTPRouteSpec{Rules: []gatewayv1.HTTPRouteRule{{
		Matches: []gatewayv1.HTTPRouteMatch{
			{Path: &gatewayv1.HTTPPathMatch{Type: new(gatewayv1.PathMatchExact), Value: new(modelsPath)}},
			{Path: &gatewayv1.HTTPPathMatch{Type: new(gatewayv1.PathMatchPathPrefix), Value: new("/")}},
		},
		Filters: []gatewayv1.HTTPRouteFilter{{
			Type: gatewayv1.HTTPRouteFilterRequestHeaderModifier,
			RequestHeaderModifier: &gatewayv1.HTTPHeaderFilter{
				Set: []gatewayv1.HTTPHeader{{Name: gatewayv1.HTTPHeaderName(plan.GatewayHeader), Value: r.Namespace + "/" + r.Gateway}},
			},
		}},
		BackendRefs: []gatewayv1.HTTPBackendRef{{BackendRef: gatewayv1.BackendRef{
			BackendObjectReference: gatewayv1.BackendObjectReference{
				Group: new(gatewayv1.Group("")), Kind: new(gatewayv1.Kind("Service")),
				Name:      gatewayv1.ObjectName(r.Settings.ModelsService),
				Namespace: new(gatewayv1.Namespace(r.OperatorNamespace)), Port: new(gatewayv1.PortNumber(80)),
			},
			Weight: new(int32(1)),
		}}},
	}}}
	for _, host := range hostnames {
		spec.Hostnames = append(spec.Hostnames, gatewayv1.Hostname(host))
	}
	spec.ParentRefs = listParents(r)
	return &gatewayv1.HTTPRoute{
		TypeMeta: metav1.TypeMeta{APIVersion: gatewayv1.GroupVersion.String(), Kind: "HTTPRoute"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: r.Namespace, OwnerReferences: []metav1.OwnerReference{r.Owner},
			Labels: map[string]string{v1beta1.LabelManagedBy: v1beta1.ManagedBy, v1beta1.LabelGateway: plan.RouterName(r.Gateway)},
		},
		Spec: spec,
	}
}

// listParents are the listeners that models are offered at. Others may be open to people who are not to know of them.
func listParents(r plan.Router) []gatewayv1.ParentReference {
	if len(r.Listeners) == 0 || len(r.Listeners) > maxParents {
		return []gatewayv1.ParentReference{parentRef(plan.Parent{Namespace: r.Namespace, Name: r.Gateway})}
	}
	refs := make([]gatewayv1.ParentReference, 0, len(r.Listeners))
	for _, listener := range r.Listeners {
		refs = append(refs, parentRef(plan.Parent{Namespace: r.Namespace, Name: r.Gateway, Section: listener}))
	}
	return refs
}

// ModelGrant allows the HTTPRoutes of a Gateway's namespace to name the operator's list of models.
func ModelGrant(r plan.Router) *gatewayv1beta1.ReferenceGrant {
	return &gatewayv1beta1.ReferenceGrant{
		TypeMeta: metav1.TypeMeta{APIVersion: gatewayv1beta1.GroupVersion.String(), Kind: "ReferenceGrant"},
		ObjectMeta: metav1.ObjectMeta{
			Name: r.Settings.ModelsService + "-" + r.Namespace, Namespace: r.OperatorNamespace,
			Labels: map[string]string{v1beta1.LabelManagedBy: v1beta1.ManagedBy},
		},
		Spec: gatewayv1beta1.ReferenceGrantSpec{
			From: []gatewayv1beta1.ReferenceGrantFrom{{
				Group: gatewayv1.GroupName, Kind: "HTTPRoute", Namespace: gatewayv1.Namespace(r.Namespace),
			}},
			To: []gatewayv1beta1.ReferenceGrantTo{{
				Group: "", Kind: "Service", Name: new(gatewayv1.ObjectName(r.Settings.ModelsService)),
			}},
		},
	}
}
