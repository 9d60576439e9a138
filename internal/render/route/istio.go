// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// DestinationRule is as much of networking.istio.io/v1 as we write. Istio's own Go types bring half of its control plane.
type DestinationRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitzero"`
	Spec              DestinationRuleSpec `json:"spec,omitzero"`
}

// DestinationRuleSpec says how to connect to a host.
type DestinationRuleSpec struct {
	// Host is a Service's name; a short one is of the rule's own namespace.
	Host          string        `json:"host,omitempty"`
	TrafficPolicy TrafficPolicy `json:"trafficPolicy,omitzero"`
}

// TrafficPolicy is the part about TLS.
type TrafficPolicy struct {
	TLS ClientTLS `json:"tls,omitzero"`
}

// ClientTLS is what a gateway sends and verifies.
type ClientTLS struct {
	Mode string `json:"mode,omitempty"`
	// CredentialName is where the authority is: configmap://<namespace>/<name> is read by istiod, so that nothing has to
	// be in the gateway's own namespace.
	CredentialName     string   `json:"credentialName,omitempty"`
	SNI                string   `json:"sni,omitempty"`
	SubjectAltNames    []string `json:"subjectAltNames,omitempty"`
	InsecureSkipVerify *bool    `json:"insecureSkipVerify,omitempty"`
}

// DestinationRuleList is a list of them.
type DestinationRuleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []DestinationRule `json:"items"`
}

func istioVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: "networking.istio.io", Version: "v1"}
}

// FullHost is the host in full: Istio takes one without a dot for a Service of the rule's namespace, and leaves others as
// they are (pilot/pkg/model, ResolveShortnameToFQDN).
func (d *DestinationRule) FullHost() string {
	if d.Spec.Host == "" || strings.ContainsAny(d.Spec.Host, ".*") {
		return d.Spec.Host
	}
	return fullHost(d.Spec.Host, d.Namespace)
}

// Covers says that a rule is for a host, by its name or by a wildcard.
func (d *DestinationRule) Covers(host string) bool {
	below, isWildcard := strings.CutPrefix(d.FullHost(), "*")
	return d.FullHost() == host || isWildcard && strings.HasSuffix(host, below)
}

// PickerHost is the host of a plan's Endpoint Picker.
func PickerHost(p plan.Plan) string { return fullHost(p.Names.EPP, p.Namespace) }

// PickerOf is the Service that a full host is the name of, the reverse of PickerHost.
func PickerOf(host string) (types.NamespacedName, bool) {
	parts := strings.SplitN(host, ".", 3)
	if len(parts) < 3 || parts[2] != clusterDomain {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{Namespace: parts[1], Name: parts[0]}, true
}

const clusterDomain = "svc.cluster.local"

func fullHost(service, namespace string) string {
	return service + "." + namespace + "." + clusterDomain
}

// AddToScheme registers the types of this package.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(istioVersion(), &DestinationRule{}, &DestinationRuleList{})
	metav1.AddToGroupVersion(s, istioVersion())
	certManager := CertificateKind().GroupVersion()
	s.AddKnownTypes(certManager, &Certificate{}, &CertificateList{})
	metav1.AddToGroupVersion(s, certManager)
	return nil
}

// DeepCopyObject returns a copy that shares nothing.
func (d *DestinationRule) DeepCopyObject() runtime.Object { return d.DeepCopy() }

// DeepCopy returns a copy that shares nothing.
func (d *DestinationRule) DeepCopy() *DestinationRule {
	out := *d
	d.DeepCopyInto(&out.ObjectMeta)
	tls := &out.Spec.TrafficPolicy.TLS
	tls.SubjectAltNames = append([]string(nil), tls.SubjectAltNames...)
	if tls.InsecureSkipVerify != nil {
		tls.InsecureSkipVerify = new(*tls.InsecureSkipVerify)
	}
	return &out
}

// DeepCopyObject returns a copy that shares nothing.
func (l *DestinationRuleList) DeepCopyObject() runtime.Object {
	out := *l
	l.DeepCopyInto(&out.ListMeta)
	out.Items = make([]DestinationRule, len(l.Items))
	for i := range l.Items {
		out.Items[i] = *l.Items[i].DeepCopy()
	}
	return &out
}
