// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"time"
)

// Leaf is a certificate with its key, both as PEM.
type Leaf struct {
	Certificate, Key []byte
}

// Issue returns a new certificate for a server of those names.
func (a Authority) Issue(now time.Time, names []string) (Leaf, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Leaf{}, fmt.Errorf("making a key: %w", err)
	}
	serial, err := serialNumber()
	if err != nil {
		return Leaf{}, err
	}
	signer := a.signer(now)
	template := &x509.Certificate{
		// No subject: names belong into the alternative names, and a common name has at most 64 characters.
		SerialNumber: serial, DNSNames: names,
		NotBefore: now.Add(-backdate), NotAfter: earliest(now.Add(leafLife), signer.certificate.NotAfter),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.certificate, key.Public(), signer.key)
	if err != nil {
		return Leaf{}, fmt.Errorf("signing a certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Leaf{}, fmt.Errorf("encoding a key: %w", err)
	}
	return Leaf{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: keyDER}),
	}, nil
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Serves says whether a certificate, as PEM, is one that gateways accept for those names now and for a while, and when it
// should be replaced.
func (a Authority) Serves(now time.Time, text []byte, names []string) (time.Time, bool) {
	certificates, err := parseCertificates(text)
	if err != nil || len(certificates) == 0 {
		return time.Time{}, false
	}
	leaf := certificates[0]
	roots := x509.NewCertPool()
	for _, p := range a.pairs {
		roots.AddCert(p.certificate)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err != nil {
		return time.Time{}, false
	}
	at := renewal(leaf)
	return at, slices.Equal(leaf.DNSNames, names) && now.Before(at)
}
