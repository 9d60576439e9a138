// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package route

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// AuthorityKey is where gateways look for the certificates that they trust.
const AuthorityKey = "ca.crt"

// Trust returns the ConfigMap with the authorities that gateways verify the Endpoint Picker by. It also holds the
// certificate that is served now: the operator may not read the Secrets that it writes, and knows by this what is in one.
func Trust(p plan.Plan, authorities, certificate []byte) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: objectMeta(p, p.Route.TLS.Name),
		Data:       map[string]string{AuthorityKey: string(authorities), corev1.TLSCertKey: string(certificate)},
	}
}

// Certificate returns the Secret with what the Endpoint Picker serves.
func Certificate(p plan.Plan, certificate, key []byte) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: objectMeta(p, p.Route.TLS.Name),
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key},
	}
}
