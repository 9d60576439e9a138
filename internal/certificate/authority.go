// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package certificate is a small certificate authority for the Endpoint Pickers of all Workspaces. Gateways trust every
// authority that is not expired, and the one that signs is always one that they have known for a day: so neither the
// certificates nor the authority itself are ever replaced at the cost of a request.
package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 90 * 24 * time.Hour
	// settling is how long gateways get to learn of a new authority before it signs.
	settling = 24 * time.Hour
	// backdate forgives clocks that run late.
	backdate = time.Hour

	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"
)

// Authority signs certificates. It is a value: what changes it returns another.
type Authority struct {
	// pairs are the newest first.
	pairs []pair
}

type pair struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// New returns an authority that has just been founded.
func New(now time.Time) (Authority, error) {
	founded, err := found(now)
	if err != nil {
		return Authority{}, err
	}
	return Authority{pairs: []pair{founded}}, nil
}

func found(now time.Time) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, fmt.Errorf("making the key of an authority: %w", err)
	}
	serial, err := serialNumber()
	if err != nil {
		return pair{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "workspace-operator endpoint pickers " + now.UTC().Format(time.DateOnly)},
		NotBefore:    now.Add(-backdate), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return pair{}, fmt.Errorf("founding an authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	return pair{certificate: certificate, key: key}, err
}

func serialNumber() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("drawing a serial number: %w", err)
	}
	return serial, nil
}

// Rotated returns the authority as it should be now, and whether that differs: without what is expired, and with a
// successor once the newest has lived two thirds of its life.
func (a Authority) Rotated(now time.Time) (Authority, bool, error) {
	kept := slices.DeleteFunc(slices.Clone(a.pairs), func(p pair) bool { return now.After(p.certificate.NotAfter) })
	if len(kept) > 0 && now.Before(renewal(kept[0].certificate)) {
		return Authority{pairs: kept}, len(kept) != len(a.pairs), nil
	}
	next, err := found(now)
	if err != nil {
		return a, false, err
	}
	return Authority{pairs: append([]pair{next}, kept...)}, true, nil
}

// renewal is when two thirds of a certificate's life are over.
func renewal(c *x509.Certificate) time.Time {
	return c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore) / 3)
}

// signer is the newest that gateways can be expected to know; a lone one is known to nobody better.
func (a Authority) signer(now time.Time) pair {
	for _, p := range a.pairs {
		if now.After(p.certificate.NotBefore.Add(backdate + settling)) {
			return p
		}
	}
	return a.pairs[len(a.pairs)-1]
}

// Trusted returns the certificates that gateways are to trust, as PEM.
func (a Authority) Trusted() []byte {
	var out bytes.Buffer
	for _, p := range a.pairs {
		// Encoding into memory does not fail.
		_ = pem.Encode(&out, &pem.Block{Type: certificateBlock, Bytes: p.certificate.Raw})
	}
	return out.Bytes()
}

// Keys returns the keys of the certificates that Trusted returns, in their order, as PEM.
func (a Authority) Keys() ([]byte, error) {
	var out bytes.Buffer
	for _, p := range a.pairs {
		der, err := x509.MarshalPKCS8PrivateKey(p.key)
		if err != nil {
			return nil, fmt.Errorf("encoding the key of an authority: %w", err)
		}
		_ = pem.Encode(&out, &pem.Block{Type: keyBlock, Bytes: der})
	}
	return out.Bytes(), nil
}

// Parse reads what Trusted and Keys wrote.
func Parse(trusted, keys []byte) (Authority, error) {
	certificates, err := parseCertificates(trusted)
	if err != nil {
		return Authority{}, err
	}
	var a Authority
	for _, certificate := range certificates {
		block, rest := pem.Decode(keys)
		if block == nil {
			return Authority{}, errors.New("reading an authority: there are fewer keys than certificates")
		}
		keys = rest
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return Authority{}, fmt.Errorf("reading the key of an authority: %w", err)
		}
		key, ok := parsed.(*ecdsa.PrivateKey)
		if !ok || !key.PublicKey.Equal(certificate.PublicKey) {
			return Authority{}, fmt.Errorf("reading an authority: the key of %s is not its own", certificate.Subject)
		}
		a.pairs = append(a.pairs, pair{certificate: certificate, key: key})
	}
	if len(a.pairs) == 0 {
		return Authority{}, errors.New("reading an authority: there is no certificate")
	}
	return a, nil
}

func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading a certificate: %w", err)
		}
		all = append(all, certificate)
	}
	return all, nil
}
