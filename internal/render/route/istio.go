// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package route

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
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
