// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pki is the certificate authority of one cluster.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const lifetime = 365 * 24 * time.Hour

// Authority issues certificates into a directory; its own pair is ca.crt and ca.key.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Pair is the paths of a certificate and its key.
type Pair struct{ Cert, Key string }

// Subject is what a certificate is for.
type Subject struct {
	// Name is the common name: the user name for Kubernetes.
	Name string
	// Groups are the organisations: the user's groups for Kubernetes.
	Groups []string
	// Hosts are DNS names and IP addresses of a server; a subject without any is a client.
	Hosts []string
}

// New makes an authority whose certificate goes to dir/ca.crt.
func New(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := newTemplate(Subject{Name: "workspace-cluster"})
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign
	template.ExtKeyUsage = nil
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a := &Authority{dir: dir, cert: cert, key: key}
	return a, a.write("ca", der, key)
}

// CA returns the paths of the authority's own pair.
func (a *Authority) CA() Pair { return pairIn(a.dir, "ca") }

// Issue writes a certificate and its key as dir/<file>.crt and dir/<file>.key.
func (a *Authority) Issue(file string, subject Subject) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	template, err := newTemplate(subject)
	if err != nil {
		return Pair{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("issuing a certificate for %s: %w", subject.Name, err)
	}
	return pairIn(a.dir, file), a.write(file, der, key)
}

func newTemplate(subject Subject) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: subject.Name, Organization: subject.Groups},
		// A clock that is a little behind must not refuse a certificate of this second.
		NotBefore:   time.Now().Add(-time.Minute),
		NotAfter:    time.Now().Add(lifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, host := range subject.Hosts {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		template.DNSNames = append(template.DNSNames, host)
	}
	return template, nil
}

func pairIn(dir, file string) Pair {
	return Pair{Cert: filepath.Join(dir, file+".crt"), Key: filepath.Join(dir, file+".key")}
}

func (a *Authority) write(file string, der []byte, key *ecdsa.PrivateKey) error {
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	pair := pairIn(a.dir, file)
	if err := writePEM(pair.Cert, "CERTIFICATE", der, 0o644); err != nil {
		return err
	}
	return writePEM(pair.Key, "PRIVATE KEY", private, 0o600)
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
