// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package route spells a Plan's Route out: the HTTPRoute to the InferencePool, and what makes the gateway verify the
// Endpoint Picker's certificate. Whatever the API server would default is written out, so that what it stores is what
// we wanted.
package route

import (
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

const (
	poolGroup = "inference.networking.k8s.io"
	poolKind  = "InferencePool"
)

// Object is what a writer of objects needs of each; controller-runtime's client.Object is the same interface.
type Object interface {
	metav1.Object
	runtime.Object
}

// Objects make one route. Each carries its TypeMeta, labels and owner, so that it can be applied as it is.
type Objects struct {
	HTTPRoute *gatewayv1.HTTPRoute
	// Rule is for Istio, Policy for the others; one of them is nil.
	Rule   *DestinationRule
	Policy *gatewayv1.BackendTLSPolicy
}

// Security returns the object that tells the gateway how to connect to the Endpoint Picker.
func (o Objects) Security() (Object, bool) {
	switch {
	case o.Rule != nil:
		return o.Rule, true
	case o.Policy != nil:
		return o.Policy, true
	default:
		return nil, false
	}
}

// Render spells out the route of a plan. It fails if the plan has none.
func Render(p plan.Plan) (Objects, error) {
	if p.Route == nil || p.Pool == nil || len(p.Route.Parents) == 0 {
		return Objects{}, fmt.Errorf("rendering the route of %s/%s: %w", p.Namespace, p.Name, errors.New("the plan has no route, no pool or no Gateway"))
	}
	objects := Objects{HTTPRoute: httpRoute(p)}
	if p.Route.Implementation == configv1alpha1.ImplementationOther {
		// Without an authority there is no policy to write: such a gateway is told by its own flags to trust anybody.
		if p.TLS != nil {
			objects.Policy = policy(p)
		}
		return objects, nil
	}
	objects.Rule = destinationRule(p)
	return objects, nil
}

func httpRoute(p plan.Plan) *gatewayv1.HTTPRoute {
	r := p.Route
	spec := gatewayv1.HTTPRouteSpec{Rules: []gatewayv1.HTTPRouteRule{{
		Matches:     matches(r),
		BackendRefs: []gatewayv1.HTTPBackendRef{backend(p)},
		// Gateways end requests after 15 seconds or so if nobody tells them; a streamed answer takes minutes.
		Timeouts: &gatewayv1.HTTPRouteTimeouts{Request: new(gatewayv1.Duration(r.Timeout.String()))},
	}}}
	for _, host := range r.Hostnames {
		spec.Hostnames = append(spec.Hostnames, gatewayv1.Hostname(host))
	}
	for _, parent := range r.Parents {
		spec.ParentRefs = append(spec.ParentRefs, parentRef(parent))
	}
	return &gatewayv1.HTTPRoute{
		TypeMeta:   metav1.TypeMeta{APIVersion: gatewayv1.GroupVersion.String(), Kind: "HTTPRoute"},
		ObjectMeta: objectMeta(p, p.Names.Pool),
		Spec:       spec,
	}
}

func parentRef(p plan.Parent) gatewayv1.ParentReference {
	ref := gatewayv1.ParentReference{
		Group:     new(gatewayv1.Group(gatewayv1.GroupName)),
		Kind:      new(gatewayv1.Kind("Gateway")),
		Namespace: new(gatewayv1.Namespace(p.Namespace)),
		Name:      gatewayv1.ObjectName(p.Name),
	}
	if p.Section != "" {
		ref.SectionName = new(gatewayv1.SectionName(p.Section))
	}
	return ref
}

// matches are one for each model, or one for everything.
func matches(r *plan.Route) []gatewayv1.HTTPRouteMatch {
	everything := &gatewayv1.HTTPPathMatch{Type: new(gatewayv1.PathMatchPathPrefix), Value: new("/")}
	if len(r.Models) == 0 {
		return []gatewayv1.HTTPRouteMatch{{Path: everything}}
	}
	all := make([]gatewayv1.HTTPRouteMatch, 0, len(r.Models))
	for _, model := range r.Models {
		all = append(all, gatewayv1.HTTPRouteMatch{
			Path: everything,
			Headers: []gatewayv1.HTTPHeaderMatch{{
				Type: new(gatewayv1.HeaderMatchExact), Name: plan.ModelHeader, Value: model,
			}},
		})
	}
	return all
}

func backend(p plan.Plan) gatewayv1.HTTPBackendRef {
	return gatewayv1.HTTPBackendRef{BackendRef: gatewayv1.BackendRef{
		BackendObjectReference: gatewayv1.BackendObjectReference{
			Group: new(gatewayv1.Group(poolGroup)),
			Kind:  new(gatewayv1.Kind(poolKind)),
			Name:  gatewayv1.ObjectName(p.Names.Pool),
		},
		Weight: new(int32(1)),
	}}
}

// destinationRule makes Istio speak TLS to the Endpoint Picker: without one it speaks plain text, which fails, and in
// failure mode FailOpen nobody would notice.
func destinationRule(p plan.Plan) *DestinationRule {
	tls := ClientTLS{Mode: "SIMPLE"}
	if p.TLS == nil {
		tls.InsecureSkipVerify = new(true)
	} else {
		tls.CredentialName = "configmap://" + p.Namespace + "/" + p.TLS.Name
		tls.SNI = p.TLS.ServerName
		tls.SubjectAltNames = []string{p.TLS.ServerName}
	}
	return &DestinationRule{
		TypeMeta:   metav1.TypeMeta{APIVersion: istioVersion().String(), Kind: "DestinationRule"},
		ObjectMeta: objectMeta(p, p.Names.EPP),
		// In full, as the short name draws a warning from Istio's own analysis.
		Spec: DestinationRuleSpec{Host: PickerHost(p), TrafficPolicy: TrafficPolicy{TLS: tls}},
	}
}

func policy(p plan.Plan) *gatewayv1.BackendTLSPolicy {
	return &gatewayv1.BackendTLSPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: gatewayv1.GroupVersion.String(), Kind: "BackendTLSPolicy"},
		ObjectMeta: objectMeta(p, p.Names.EPP),
		Spec: gatewayv1.BackendTLSPolicySpec{
			TargetRefs: []gatewayv1.LocalPolicyTargetReferenceWithSectionName{{
				LocalPolicyTargetReference: gatewayv1.LocalPolicyTargetReference{Kind: "Service", Name: gatewayv1.ObjectName(p.Names.EPP)},
			}},
			Validation: gatewayv1.BackendTLSPolicyValidation{
				CACertificateRefs: []gatewayv1.LocalObjectReference{{Kind: "ConfigMap", Name: gatewayv1.ObjectName(p.TLS.Name)}},
				Hostname:          gatewayv1.PreciseHostname(p.TLS.ServerName),
			},
		},
	}
}

func objectMeta(p plan.Plan, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:      name,
		Namespace: p.Namespace,
		Labels: map[string]string{
			v1beta1.LabelWorkspace: p.Name,
			v1beta1.LabelManagedBy: v1beta1.ManagedBy,
		},
		OwnerReferences: []metav1.OwnerReference{p.Owner},
	}
}

// PoolsOf returns namespace/name of the InferencePools that a route sends requests to.
func PoolsOf(r *gatewayv1.HTTPRoute) []string {
	var pools []string
	for _, rule := range r.Spec.Rules {
		for _, pool := range poolsOf(rule, r.Namespace) {
			if !slices.Contains(pools, pool) {
				pools = append(pools, pool)
			}
		}
	}
	return pools
}

func poolsOf(rule gatewayv1.HTTPRouteRule, namespace string) []string {
	var pools []string
	for _, ref := range rule.BackendRefs {
		if ref.Kind == nil || *ref.Kind != poolKind || ref.Group == nil || *ref.Group != poolGroup {
			continue
		}
		in := namespace
		if ref.Namespace != nil {
			in = string(*ref.Namespace)
		}
		pools = append(pools, in+"/"+string(ref.Name))
	}
	return pools
}

// Bypasses says whether a filter on one of the rules by which a route leads to a pool makes Istio forget the Endpoint
// Picker: it then sends requests to any pod, and answers 200. Seen in Istio 1.28 to 1.31.
func Bypasses(r *gatewayv1.HTTPRoute, namespace, pool string) (string, bool) {
	for _, rule := range r.Spec.Rules {
		if !slices.Contains(poolsOf(rule, r.Namespace), namespace+"/"+pool) {
			continue
		}
		for _, filter := range rule.Filters {
			if filter.Type == gatewayv1.HTTPRouteFilterCORS {
				return string(filter.Type), true
			}
		}
	}
	return "", false
}
