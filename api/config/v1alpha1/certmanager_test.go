// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
)

// selfSigned is a certificate that signed itself, and its key, both as PEM.
func selfSigned(t *testing.T, authority bool) (string, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "example"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: authority, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func certManager(reference, bundle string) string {
	return fmt.Sprintf("%sgateway: {tls: {certManager: {issuerRef: {%s}, caBundle: %q}}}", head, reference, bundle)
}

func TestCertManager(t *testing.T) {
	t.Parallel()
	one, _ := selfSigned(t, true)
	other, _ := selfSigned(t, true)
	for name, c := range map[string]struct {
		text string
		want v1alpha1.CertManager
	}{
		"kind and group by default": {certManager("name: corp", one), v1alpha1.CertManager{
			IssuerRef: v1alpha1.IssuerReference{Name: "corp", Kind: "ClusterIssuer", Group: "cert-manager.io"}, CABundle: one,
		}},
		"an Issuer": {certManager("name: corp, kind: Issuer", one), v1alpha1.CertManager{
			IssuerRef: v1alpha1.IssuerReference{Name: "corp", Kind: "Issuer", Group: "cert-manager.io"}, CABundle: one,
		}},
		"somebody else's issuer": {certManager("name: corp, kind: AWSPCAClusterIssuer, group: awspca.cert-manager.io", one), v1alpha1.CertManager{
			IssuerRef: v1alpha1.IssuerReference{Name: "corp", Kind: "AWSPCAClusterIssuer", Group: "awspca.cert-manager.io"}, CABundle: one,
		}},
		"two authorities, with comments": {certManager("name: corp", "# old\n"+one+"\n# new\n"+other), v1alpha1.CertManager{
			IssuerRef: v1alpha1.IssuerReference{Name: "corp", Kind: "ClusterIssuer", Group: "cert-manager.io"}, CABundle: "# old\n" + one + "\n# new\n" + other,
		}},
	} {
		got, err := v1alpha1.Decode([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(&c.want, got.Gateway.TLS.CertManager); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestCertManagerRefuses(t *testing.T) {
	t.Parallel()
	authority, key := selfSigned(t, true)
	leaf, _ := selfSigned(t, false)
	const at = "gateway.tls.certManager."
	for name, c := range map[string]struct{ text, want string }{
		"no issuer":        {certManager("", authority), at + "issuerRef.name: Required value: the name of the issuer"},
		"no name":          {certManager("name: A_B", authority), at + "issuerRef.name: Invalid value"},
		"unknown kind":     {certManager("name: a, kind: CA", authority), at + `issuerRef.kind: Unsupported value: "CA": supported values: "Issuer", "ClusterIssuer"`},
		"no kind":          {certManager("name: a, kind: clusterissuers, group: example.com", authority), at + "issuerRef.kind: Invalid value"},
		"no group":         {certManager("name: a, group: Example", authority), at + "issuerRef.group: Invalid value"},
		"unknown field":    {certManager("name: a, namespace: b", authority), `unknown field "gateway.tls.certManager.issuerRef.namespace"`},
		"no bundle":        {certManager("name: a", ""), at + "caBundle: Required value: gateways verify by it"},
		"no PEM":           {certManager("name: a", "MIIB"), at + "caBundle: Forbidden: holds no certificate: write it as PEM, from -----BEGIN CERTIFICATE-----"},
		"a key":            {certManager("name: a", authority+key), at + "caBundle: Forbidden: block 2 is a PRIVATE KEY: write certificates only"},
		"no authority":     {certManager("name: a", leaf), at + "caBundle: Forbidden: block 1, CN=example, is not the certificate of an authority"},
		"garbage":          {certManager("name: a", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"), at + "caBundle: Forbidden: block 1 is no certificate"},
		"cut off":          {certManager("name: a", authority+authority[:100]), at + "caBundle: Forbidden: 1 of its 2 blocks can be read"},
		"lost in between":  {certManager("name: a", strings.Replace(authority, "MII", "M!!", 1)+authority), at + "caBundle: Forbidden: 1 of its 2 blocks can be read"},
		"and no verifying": {head + "gateway: {tls: {insecureSkipVerify: true, certManager: {issuerRef: {name: a}}}}", "gateway.tls.insecureSkipVerify: Forbidden: with certManager the gateway verifies certificates: write one of the two"},
	} {
		_, err := v1alpha1.Decode([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v\nwant %s", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), strings.Split(key, "\n")[1]) {
			t.Errorf("%s: the error tells the key", name)
		}
	}
}
