// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package certificate_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"testing"
	"time"

	"github.com/workspace-operator/workspace-operator/internal/certificate"
)

const day = 24 * time.Hour

func start() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }

func names() []string { return []string{"epp", "epp.models.svc"} }

func newAuthority(t *testing.T) certificate.Authority {
	t.Helper()
	a, err := certificate.New(start())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a certificate.Authority, now time.Time) certificate.Leaf {
	t.Helper()
	leaf, err := a.Issue(now, names())
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// accepts says whether somebody who trusts trusted takes the leaf for the server name.
func accepts(t *testing.T, trusted []byte, leaf certificate.Leaf, server string, now time.Time) bool {
	t.Helper()
	pair, err := tls.X509KeyPair(leaf.Certificate, leaf.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(trusted) {
		t.Fatal("nothing is trusted")
	}
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: server, CurrentTime: now})
	return err == nil
}

func TestIssue(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	leaf := issue(t, a, start())
	if !accepts(t, a.Trusted(), leaf, "epp.models.svc", start()) {
		t.Error("the certificate is refused")
	}
	if accepts(t, a.Trusted(), leaf, "other.models.svc", start()) {
		t.Error("the certificate is good for another server")
	}
	if accepts(t, newAuthority(t).Trusted(), leaf, "epp.models.svc", start()) {
		t.Error("another authority vouches for it")
	}
}

func TestServes(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	leaf := issue(t, a, start())
	at, ok := a.Serves(start(), leaf.Certificate, names())
	if !ok || at.Before(start().Add(55*day)) || at.After(start().Add(65*day)) {
		t.Errorf("a new certificate: %t, to be replaced at %s", ok, at)
	}
	for what, good := range map[string]bool{
		"other names":       first(a.Serves(start(), leaf.Certificate, []string{"epp"})),
		"two thirds over":   first(a.Serves(start().Add(65*day), leaf.Certificate, names())),
		"nothing":           first(a.Serves(start(), nil, names())),
		"no certificate":    first(a.Serves(start(), []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), names())),
		"another authority": first(newAuthority(t).Serves(start(), leaf.Certificate, names())),
	} {
		if good {
			t.Errorf("%s: the certificate may go on serving", what)
		}
	}
}

func first(_ time.Time, ok bool) bool { return ok }

func TestParse(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	keys, err := a.Keys()
	if err != nil {
		t.Fatal(err)
	}
	again, err := certificate.Parse(a.Trusted(), keys)
	if err != nil {
		t.Fatal(err)
	}
	if !accepts(t, a.Trusted(), issue(t, again, start()), "epp", start()) {
		t.Error("what was read back signs differently")
	}
	foreign, err := newAuthority(t).Keys()
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string][2][]byte{
		"nothing":          {nil, nil},
		"no key":           {a.Trusted(), nil},
		"another's key":    {a.Trusted(), foreign},
		"no key but noise": {a.Trusted(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})},
	} {
		if _, err := certificate.Parse(c[0], c[1]); err == nil {
			t.Errorf("%s was read", what)
		}
	}
}

// TestRotation goes through twenty years by days, as the operator would: at no time does a gateway that learns of new
// authorities within a day refuse the certificate that is served.
func TestRotation(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	leaf := issue(t, a, start())
	known := a.Trusted()
	authorities := [][]byte{known}
	for now := start(); now.Before(start().Add(20 * 365 * day)); now = now.Add(day) {
		next, changed, err := a.Rotated(now)
		if err != nil {
			t.Fatal(err)
		}
		if changed != !bytes.Equal(a.Trusted(), next.Trusted()) {
			t.Fatalf("%s: changed is %t", now, changed)
		}
		a = next
		if _, ok := a.Serves(now, leaf.Certificate, names()); !ok {
			leaf = issue(t, a, now)
		}
		if !accepts(t, known, leaf, "epp", now) {
			t.Fatalf("%s: refused by a gateway that was told yesterday", now)
		}
		known = a.Trusted()
		if !slices.ContainsFunc(authorities, func(old []byte) bool { return bytes.Equal(old, known) }) {
			authorities = append(authorities, known)
		}
	}
	if len(authorities) < 4 {
		t.Errorf("only %d sets of authorities in twenty years", len(authorities))
	}
}

// TestWithout: what is trusted for a while beside the authorities of now is not written twice.
func TestWithout(t *testing.T) {
	t.Parallel()
	one, other := newAuthority(t).Trusted(), newAuthority(t).Trusted()
	both := slices.Concat(one, other)
	for name, c := range map[string]struct{ text, others, want []byte }{
		"none of them":  {both, both, nil},
		"one of them":   {both, one, other},
		"in any order":  {both, slices.Concat(other, one), nil},
		"all of them":   {one, other, one},
		"nothing":       {nil, one, nil},
		"with comments": {slices.Concat([]byte("# old\n"), one, []byte("\n")), nil, one},
		"no PEM":        {[]byte("nobody"), one, nil},
	} {
		if got := certificate.Without(c.text, c.others); !bytes.Equal(got, c.want) {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestIssued(t *testing.T) {
	t.Parallel()
	if got := certificate.Issued(issue(t, newAuthority(t), start()).Certificate); !got.Equal(start()) {
		t.Errorf("issued at %s, not at %s", got, start())
	}
	if got := certificate.Issued([]byte("nobody")); !got.IsZero() {
		t.Errorf("what is no certificate was issued at %s", got)
	}
}
