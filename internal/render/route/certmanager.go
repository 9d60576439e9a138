// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

const (
	requestedLife    = 90 * 24 * time.Hour
	requestedRenewal = 30 * 24 * time.Hour
	// requestedKey is not the size that the operator's own keys have: by that cert-manager sees that a Secret which the
	// operator has filled before is not as the Certificate asks, and fills it anew. Otherwise an Issuer's Certificate would
	// be content with it, since it bears the right names and nobody else's.
	requestedKey = 384
)

// CertificateNameAnnotation is put by cert-manager on a Secret, with the name of the Certificate that it is for.
const CertificateNameAnnotation = "cert-manager.io/certificate-name"

// Certificate is as much of cert-manager.io/v1 as we write and read. cert-manager's own Go types bring those of its issuers.
type Certificate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitzero"`
	Spec              CertificateSpec   `json:"spec,omitzero"`
	Status            CertificateStatus `json:"status,omitzero"`
}

// CertificateSpec says what is to be made and by whom.
type CertificateSpec struct {
	SecretName string   `json:"secretName,omitempty"`
	DNSNames   []string `json:"dnsNames,omitempty"`
	// Duration and RenewBefore are written as Go does.
	Duration       string          `json:"duration,omitempty"`
	RenewBefore    string          `json:"renewBefore,omitempty"`
	Usages         []string        `json:"usages,omitempty"`
	IssuerRef      IssuerReference `json:"issuerRef,omitzero"`
	PrivateKey     PrivateKey      `json:"privateKey,omitzero"`
	SecretTemplate SecretTemplate  `json:"secretTemplate,omitzero"`
}

// IssuerReference names who signs.
type IssuerReference struct {
	Name  string `json:"name,omitempty"`
	Kind  string `json:"kind,omitempty"`
	Group string `json:"group,omitempty"`
}

// PrivateKey says what key is made.
type PrivateKey struct {
	Algorithm      string `json:"algorithm,omitempty"`
	Size           int    `json:"size,omitempty"`
	RotationPolicy string `json:"rotationPolicy,omitempty"`
}

// SecretTemplate is what the Secret gets beside its data.
type SecretTemplate struct {
	Labels map[string]string `json:"labels,omitempty"`
}

// CertificateStatus is what cert-manager says.
type CertificateStatus struct {
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	NotAfter   *metav1.Time       `json:"notAfter,omitempty"`
}

// CertificateList is a list of them.
type CertificateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []Certificate `json:"items"`
}

// CertificateKind is the kind of Certificate.
func CertificateKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "cert-manager.io", Version: "v1", Kind: "Certificate"}
}

// Requested returns the Certificate by which cert-manager makes what the Endpoint Picker serves. The plan must name an issuer.
func Requested(p plan.Plan) *Certificate {
	tls := p.TLS
	meta := objectMeta(p, tls.Name)
	return &Certificate{
		TypeMeta:   metav1.TypeMeta{APIVersion: CertificateKind().GroupVersion().String(), Kind: CertificateKind().Kind},
		ObjectMeta: meta,
		Spec: CertificateSpec{
			SecretName: tls.Name, DNSNames: tls.DNSNames,
			Duration: requestedLife.String(), RenewBefore: requestedRenewal.String(),
			Usages:     []string{"digital signature", "server auth"},
			IssuerRef:  IssuerReference(tls.CertManager.IssuerRef),
			PrivateKey: PrivateKey{Algorithm: "ECDSA", Size: requestedKey, RotationPolicy: "Always"},
			// By these the operator knows the Secret when it signs itself again.
			SecretTemplate: SecretTemplate{Labels: meta.Labels},
		},
	}
}

// FilledByCertManager says that a Secret is what cert-manager made of the Certificate that Requested returned.
func FilledByCertManager(secret metav1.Object, workspace string) bool {
	labels := secret.GetLabels()
	return labels[v1beta1.LabelManagedBy] == v1beta1.ManagedBy && labels[v1beta1.LabelWorkspace] == workspace &&
		secret.GetAnnotations()[CertificateNameAnnotation] == secret.GetName()
}

// DeepCopyObject returns a copy that shares nothing.
func (c *Certificate) DeepCopyObject() runtime.Object { return c.DeepCopy() }

// DeepCopy returns a copy that shares nothing.
func (c *Certificate) DeepCopy() *Certificate {
	out := *c
	c.DeepCopyInto(&out.ObjectMeta)
	out.Spec.DNSNames, out.Spec.Usages = slices.Clone(c.Spec.DNSNames), slices.Clone(c.Spec.Usages)
	out.Spec.SecretTemplate.Labels = maps.Clone(c.Spec.SecretTemplate.Labels)
	out.Status.Conditions = slices.Clone(c.Status.Conditions)
	out.Status.NotAfter = c.Status.NotAfter.DeepCopy()
	return &out
}

// DeepCopyObject returns a copy that shares nothing.
func (l *CertificateList) DeepCopyObject() runtime.Object {
	out := *l
	l.DeepCopyInto(&out.ListMeta)
	out.Items = make([]Certificate, len(l.Items))
	for i := range l.Items {
		out.Items[i] = *l.Items[i].DeepCopy()
	}
	return &out
}
