// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/pki"
)

func issue(t *testing.T, subject pki.Subject) (*x509.Certificate, *x509.CertPool) {
	t.Helper()
	authority, err := pki.New(filepath.Join(t.TempDir(), "pki"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue("part", subject)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(pair.Key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v, want that only its owner reads it", info.Mode(), err)
	}
	raw, err := os.ReadFile(authority.CA().Cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(raw) {
		t.Fatal("the authority's file holds no certificate")
	}
	return loaded.Leaf, roots
}

func TestServer(t *testing.T) {
	t.Parallel()
	leaf, roots := issue(t, pki.Subject{Name: "server", Hosts: []string{"10.96.0.1", "kubernetes.default.svc"}})
	for _, host := range []string{"10.96.0.1", "kubernetes.default.svc"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("as %s: %v", host, err)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "elsewhere"}); err == nil {
		t.Error("it is valid for a host that was not asked for")
	}
}

func TestClient(t *testing.T) {
	t.Parallel()
	leaf, roots := issue(t, pki.Subject{Name: "system:node:node-1", Groups: []string{"system:nodes"}})
	client := x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := leaf.Verify(client); err != nil {
		t.Error(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots}); err == nil {
		t.Error("a client's certificate is valid for a server")
	}
	if diff := cmp.Diff([]string{"system:nodes"}, leaf.Subject.Organization); diff != "" {
		t.Error(diff)
	}
}
