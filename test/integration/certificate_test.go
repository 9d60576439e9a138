// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/internal/certificate"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// authoritySecret is where the operator keeps its authority.
const authoritySecret = "workspace-operator-ca"

// certificates: what the Endpoint Picker is to serve is what gateways are to trust, and is replaced in time.
func certificates(s *scene) {
	s.workspace("phi", offered())
	first := s.certificate()
	s.Expect(first.DNSNames).To(gomega.ContainElement("phi-inferencepool-epp." + s.namespace + ".svc"))
	s.Expect(s.release("phi").Spec.Values.Raw).To(gomega.ContainSubstring(routeObject(&corev1.Secret{}, "phi")), "the endpoint picker mounts it")
	rule := &route.DestinationRule{}
	s.until(func() error {
		if !s.get(rule, eppName("phi")) {
			return errors.New("there is no DestinationRule")
		}
		return nil
	})
	s.Expect(rule.Spec.TrafficPolicy.TLS).To(gomega.Equal(route.ClientTLS{
		Mode: "SIMPLE", CredentialName: "configmap://" + s.namespace + "/phi-inferencepool-epp-tls",
		SNI:             "phi-inferencepool-epp." + s.namespace + ".svc",
		SubjectAltNames: []string{"phi-inferencepool-epp." + s.namespace + ".svc"},
	}))

	// Until its caches show what it made, the operator takes whatever else they show for something older.
	s.quietMark()
	s.step("two thirds of its life are over")
	names := first.DNSNames
	secret := &corev1.Secret{}
	s.Expect(s.Get(s.t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: authoritySecret}, secret)).To(gomega.Succeed())
	authority, err := certificate.Parse(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	s.Expect(err).NotTo(gomega.HaveOccurred())
	aged, err := authority.Issue(time.Now().Add(-61*24*time.Hour), names)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	trust := &corev1.ConfigMap{}
	s.Expect(s.get(trust, routeObject(trust, "phi"))).To(gomega.BeTrue())
	s.edit(trust, func() { trust.Data[corev1.TLSCertKey] = string(aged.Certificate) })
	var second *x509.Certificate
	s.until(func() error {
		if second = s.certificate(); second.SerialNumber.Cmp(first.SerialNumber) == 0 {
			return errors.New("the certificate is the first one")
		}
		return nil
	})
	s.Expect(time.Until(second.NotAfter)).To(gomega.BeNumerically(">", 80*24*time.Hour))

	s.step("and nothing more happens")
	mark := s.mark(s.t)
	s.Consistently(func() []string {
		return s.operatorRequests(s.t, mark, func(r request) bool { return r.isWrite() && r.ObjectRef.Namespace == s.namespace })
	}).WithTimeout(2 * quiet).WithPolling(5 * interval).Should(gomega.BeEmpty())

	s.step("the Secret is deleted, and the endpoint picker cannot start without it")
	s.stores("phi")
	s.installs("phi")
	s.until(func() error {
		if len(s.pods("kaito.sh/endpoint-picker", "phi")) == 0 {
			return errors.New("no endpoint picker")
		}
		return nil
	})
	lost := &corev1.Secret{}
	s.Expect(s.get(lost, routeObject(lost, "phi"))).To(gomega.BeTrue())
	s.Expect(s.Delete(s.t.Context(), lost)).To(gomega.Succeed())
	s.cannotStart("phi")
	s.until(func() error {
		if !s.get(&corev1.Secret{}, routeObject(lost, "phi")) {
			return errors.New("it is not made again")
		}
		return nil
	})
	s.certificate()
}

// cannotStart is a kubelet that cannot start an Endpoint Picker.
func (s *scene) cannotStart(workspace string) {
	s.t.Helper()
	for _, pod := range s.pods("kaito.sh/endpoint-picker", workspace) {
		s.status(pod, func() { waiting("ContainerCreating", "", nil)(pod) })
	}
}

// certificate is what the Endpoint Picker of the Workspace phi is to serve, once it is what gateways are to trust.
func (s *scene) certificate() *x509.Certificate {
	s.t.Helper()
	var leaf *x509.Certificate
	s.until(func() error {
		secret, trust := &corev1.Secret{}, &corev1.ConfigMap{}
		if !s.get(secret, routeObject(secret, "phi")) || !s.get(trust, routeObject(trust, "phi")) {
			return errors.New("Secret or ConfigMap is missing")
		}
		pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
		if err != nil {
			return err
		}
		if string(secret.Data[corev1.TLSCertKey]) != trust.Data[corev1.TLSCertKey] {
			return errors.New("the ConfigMap tells of another certificate")
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(trust.Data[route.AuthorityKey])) {
			return errors.New("the ConfigMap has no authority")
		}
		leaf = pair.Leaf
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: eppName("phi") + "." + s.namespace + ".svc"}); err != nil {
			return fmt.Errorf("a gateway would refuse it: %w", err)
		}
		return nil
	})
	return leaf
}

// agedAuthority stores an authority of which two thirds of its life are over, and returns its certificate.
func (c *cluster) agedAuthority(s *scene) string {
	s.t.Helper()
	old, err := certificate.New(time.Now().Add(-7 * 365 * 24 * time.Hour))
	s.Expect(err).NotTo(gomega.HaveOccurred())
	keys, err := old.Keys()
	s.Expect(err).NotTo(gomega.HaveOccurred())
	secret := &corev1.Secret{Type: corev1.SecretTypeTLS, Data: map[string][]byte{corev1.TLSCertKey: old.Trusted(), corev1.TLSPrivateKeyKey: keys}}
	secret.Namespace, secret.Name = operatorNamespace, authoritySecret
	s.create(secret)
	return strings.TrimSpace(string(old.Trusted()))
}
