// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// ModelHeader is set by body-based routing to the name of the model in the request's body, and matched by routes.
const ModelHeader = "X-Gateway-Model-Name"

// GatewayHeader tells the operator's list of models which Gateway a request came by, as namespace/name.
const GatewayHeader = "X-Workspace-Gateway"

const (
	tlsSuffix     = "-tls"
	clusterDomain = "svc.cluster.local"
)

// Route says how the model is offered at Gateways.
type Route struct {
	// Parents are the Gateways, at least one, without repetition.
	Parents []Parent
	// Hostnames are those that clients call; empty for whatever the listeners have.
	Hostnames []string
	// Models are the values of ModelHeader to match; empty matches every path.
	Models []string
	// Timeout bounds a whole request; 0 is no bound.
	Timeout time.Duration
	// Implementation says how the gateway is told to verify the Endpoint Picker.
	Implementation configv1alpha1.GatewayImplementation
	// Probe has requests through the Gateways show whether the Endpoint Picker is asked.
	Probe bool
	// Refused says why no route can be made as configured; empty if one can. RefusedReason is its reason.
	Refused       string
	RefusedReason string `json:",omitempty"`
	// BodyBased says that body-based routing is wanted at the Gateways.
	BodyBased bool
}

// Parent is a Gateway, or one of its listeners.
type Parent struct {
	Namespace, Name string
	// Section is the listener's name; empty for all.
	Section string
}

func (p Parent) String() string {
	if p.Section == "" {
		return p.Namespace + "/" + p.Name
	}
	return p.Namespace + "/" + p.Name + ", listener " + p.Section
}

// PickerTLS is the certificate of the Endpoint Picker.
type PickerTLS struct {
	// Name is that of the Secret with certificate and key, and of the ConfigMap with the certificate authority.
	Name string
	// ServerName is what the gateway expects; DNSNames are all that the certificate is for, ServerName among them.
	ServerName string
	DNSNames   []string
	// CertManager says whom cert-manager asks for it; nil if the operator signs it itself.
	CertManager *configv1alpha1.CertManager
}

// routeOf returns the route of a Workspace that has a pool; nil if none is asked for.
func routeOf(ws *v1beta1.Workspace, p Plan, f Facts) *Route {
	if p.Pool == nil {
		return nil
	}
	parents := ParentsOf(ws, f.Config.Gateway.Default)
	if len(parents) == 0 {
		return nil
	}
	gateway := f.Config.Gateway
	r := &Route{
		Parents:        parents,
		Timeout:        gateway.RequestTimeout.Duration,
		Implementation: gateway.Implementation,
		Probe:          gateway.Probe == nil || *gateway.Probe,
		BodyBased:      gateway.BodyBasedRouting.Enabled,
	}
	if ws.Inference.Gateway != nil {
		r.Hostnames = slices.Sorted(slices.Values(ws.Inference.Gateway.Hostnames))
	}
	if r.BodyBased {
		r.Models = p.Models
	}
	if chart := p.Pool.Chart; !gateway.TLS.InsecureSkipVerify && !configv1alpha1.ServesCertificates(chart.Dialect, chart.Version) {
		r.RefusedReason = v1beta1.ReasonTLSNotSupported
		r.Refused = fmt.Sprintf("chart %s %s cannot give the endpoint picker a certificate that the gateway could verify: "+
			"configure chart.version %s or later, or gateway.tls.insecureSkipVerify: true",
			chart.Dialect, chart.Version, configv1alpha1.CertificatesFrom(chart.Dialect))
	}
	if r.BodyBased && len(r.Models) == 0 {
		// Its route would match what no model answers, as that to the operator's list of models does.
		r.RefusedReason = v1beta1.ReasonModelsNotNamed
		r.Refused = "body-based routing is on, and it is not known by which model names clients ask for the template: " +
			"write them into inference.gateway.models, or write inference.gateway.mode: None"
	}
	return r
}

// protect gives the Endpoint Picker the certificate that gateways verify: where there is a route, and where somebody has
// said that he makes his own.
func (p *Plan) protect(ws *v1beta1.Workspace, gateway configv1alpha1.Gateway) {
	if p.Pool == nil || p.Route == nil && !routesByHand(ws) {
		return
	}
	chart := p.Pool.Chart
	if gateway.TLS.InsecureSkipVerify || !configv1alpha1.ServesCertificates(chart.Dialect, chart.Version) {
		return
	}
	p.TLS = pickerTLS(*p, gateway.TLS.CertManager)
	p.Pool.TLSSecret = p.TLS.Name
}

// routesByHand says that the owner of a Workspace has taken its routes into his own hands.
func routesByHand(ws *v1beta1.Workspace) bool {
	return ws.Inference.Gateway != nil && ws.Inference.Gateway.Mode == v1beta1.RouteNone
}

func pickerTLS(p Plan, by *configv1alpha1.CertManager) *PickerTLS {
	short := p.Names.EPP + "." + p.Namespace
	return &PickerTLS{
		Name:        p.Names.EPP + tlsSuffix,
		ServerName:  short + ".svc",
		DNSNames:    []string{p.Names.EPP, short, short + ".svc", short + "." + clusterDomain},
		CertManager: by,
	}
}

// ParentsOf returns the Gateways at which a Workspace is offered: its own, else the default one; none if it wants none.
func ParentsOf(ws *v1beta1.Workspace, standard *configv1alpha1.GatewayReference) []Parent {
	if ws.Inference == nil {
		return nil
	}
	wanted := ws.Inference.Gateway
	switch {
	case routesByHand(ws):
		return nil
	case wanted != nil && len(wanted.ParentRefs) > 0:
		return withoutRepetition(ws.Namespace, wanted.ParentRefs)
	case standard != nil:
		return []Parent{{Namespace: standard.Namespace, Name: standard.Name, Section: standard.SectionName}}
	default:
		return nil
	}
}

// withoutRepetition returns the parents that references name. Written with and without the Workspace's own namespace they
// are the same, and a whole Gateway has its listeners with it: the API refuses a route that names both.
func withoutRepetition(own string, refs []v1beta1.GatewayReference) []Parent {
	var parents []Parent
	for _, ref := range refs {
		parent := Parent{Namespace: cmp.Or(ref.Namespace, own), Name: ref.Name, Section: ref.SectionName}
		if !slices.Contains(parents, parent) {
			parents = append(parents, parent)
		}
	}
	return slices.DeleteFunc(slices.Clone(parents), func(p Parent) bool {
		return p.Section != "" && slices.Contains(parents, Parent{Namespace: p.Namespace, Name: p.Name})
	})
}

// asksForRoute says that a Workspace wants to be offered somewhere itself, so that it has to be told if there is no route.
func asksForRoute(ws *v1beta1.Workspace) bool {
	wanted := ws.Inference.Gateway
	return wanted != nil && !routesByHand(ws) && len(wanted.ParentRefs)+len(wanted.Hostnames) > 0
}

// Router is what routes by the body at one Gateway. It lives beside the Gateway and goes with it.
type Router struct {
	Namespace, Gateway, Name string
	// Listeners are those that all Workspaces at the Gateway confine themselves to; empty for every listener.
	Listeners []string
	// OperatorNamespace is where the list of models is served.
	OperatorNamespace string
	// Owner is the Gateway.
	Owner metav1.OwnerReference
	// Settings have their defaults, and locations behind the configured registry.
	Settings         configv1alpha1.BodyBasedRouting
	Flux             configv1alpha1.Flux
	ImagePullSecrets []string
}

// NewRouter returns the router of a Gateway; the place where the list of models is served is left open.
func NewRouter(namespace, gateway string, owner metav1.OwnerReference, config configv1alpha1.Configuration) Router {
	settings := config.Gateway.BodyBasedRouting
	settings.ChartURL = Image(config.Registry, settings.ChartURL)
	settings.Image = Image(config.Registry, settings.Image)
	return Router{
		Namespace: namespace, Gateway: gateway, Name: RouterName(gateway), Owner: owner,
		Settings: settings, Flux: config.Flux, ImagePullSecrets: config.ImagePullSecrets,
	}
}

// ListenersOf are the listeners of a Gateway that Workspaces are offered at, sorted; none if it is every listener.
func ListenersOf(namespace, gateway string, workspaces []*v1beta1.Workspace, standard *configv1alpha1.GatewayReference) []string {
	var listeners []string
	for _, ws := range workspaces {
		for _, parent := range ParentsOf(ws, standard) {
			switch {
			case parent.Namespace != namespace || parent.Name != gateway:
			case parent.Section == "":
				return nil
			default:
				listeners = append(listeners, parent.Section)
			}
		}
	}
	slices.Sort(listeners)
	return slices.Compact(listeners)
}
