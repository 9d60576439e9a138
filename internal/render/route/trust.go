// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package route

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

const (
	// AuthorityKey is where gateways look for the certificates that they trust.
	AuthorityKey = "ca.crt"
	// PreviousKey is where those of them are written again that are trusted for the time of a handover only.
	PreviousKey = "previous.crt"
)

// Trusted is what gateways verify an Endpoint Picker by, as PEM.
type Trusted struct {
	// Authorities are the certificates of those who sign for it.
	Authorities []byte
	// Served is the certificate that the operator signed; empty if cert-manager makes certificates.
	Served []byte
	// Previous are the authorities of before, when it was the other of operator and cert-manager who made certificates. They
	// are trusted until the Endpoint Picker serves what its new authority signed.
	Previous []byte
}

// Trust returns the ConfigMap with the authorities that gateways verify the Endpoint Picker by. It also holds the
// certificate that is served now: the operator may not read the Secrets that it writes, and knows by this what is in one.
func Trust(p plan.Plan, t Trusted) *corev1.ConfigMap {
	data := map[string]string{AuthorityKey: string(t.Authorities) + string(t.Previous)}
	if len(t.Served) > 0 {
		data[corev1.TLSCertKey] = string(t.Served)
	}
	if len(t.Previous) > 0 {
		data[PreviousKey] = string(t.Previous)
	}
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: objectMeta(p, p.TLS.Name),
		Data:       data,
	}
}

// SignedByOperator says of a ConfigMap that Trust returned whether the operator signs.
func SignedByOperator(trust *corev1.ConfigMap) bool { return trust.Data[corev1.TLSCertKey] != "" }

// Secret returns the Secret with what the Endpoint Picker serves.
func Secret(p plan.Plan, certificate, key []byte) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: objectMeta(p, p.TLS.Name),
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key},
	}
}
