// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/internal/certificate"
)

// testHTTPS: the only listener is one for HTTPS, for one hostname and at a port of its own. Envoy takes no connection that does
// not name the host.
func testHTTPS(t *testing.T) {
	const host, port, secret = "models.example.com", "8443", "models-certificate"
	s := &gatewayScene{scene: newScene(t, shared, nil)}
	trusted := s.certificate(secret, host)
	s.address = s.gateway(gatewayName, gatewayv1.Listener{
		Name: "https", Protocol: gatewayv1.HTTPSProtocolType, Port: 8443, Hostname: new(gatewayv1.Hostname(host)),
		TLS: &gatewayv1.ListenerTLSConfig{CertificateRefs: []gatewayv1.SecretObjectReference{{Name: secret}}},
	})
	s.workspace("phi", offered(gatewayName))
	ws := s.routed("phi")
	s.Expect(ws.Status.Endpoint).To(gomega.Equal("https://" + net.JoinHostPort(host, port)))
	body, err := json.Marshal(chatRequest(phi))
	s.Expect(err).NotTo(gomega.HaveOccurred())
	request, err := http.NewRequestWithContext(s.ctx, http.MethodPost, ws.Status.Endpoint+"/v1/chat/completions", bytes.NewReader(body))
	s.Expect(err).NotTo(gomega.HaveOccurred())
	request.Header.Set("Content-Type", "application/json")
	response, err := s.clientOf(port, trusted).Do(request)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(response.Body.Close()).To(gomega.Succeed())
	s.Expect(response.StatusCode).To(gomega.Equal(http.StatusOK))
	s.Expect(response.Header.Get(servedBy)).To(gomega.HavePrefix("phi-"))
	s.Expect(response.Header.Get(pickerMark)).NotTo(gomega.BeEmpty(), "the endpoint picker was not asked")
}

// certificate makes a Secret with a certificate for a name, and returns whom to trust.
func (s *gatewayScene) certificate(name, host string) *x509.CertPool {
	s.t.Helper()
	authority, err := certificate.New(time.Now())
	s.Expect(err).NotTo(gomega.HaveOccurred())
	leaf, err := authority.Issue(time.Now(), []string{host})
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: leaf.Certificate, corev1.TLSPrivateKeyKey: leaf.Key},
	})
	trusted := x509.NewCertPool()
	s.Expect(trusted.AppendCertsFromPEM(authority.Trusted())).To(gomega.BeTrue())
	return trusted
}

// clientOf finds every name at the Gateway, as DNS would lead there.
func (s *gatewayScene) clientOf(port string, trusted *x509.CertPool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(s.address, port))
		},
	}}
}
