// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/certificate"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// TestGatewayPolicy is implementation other: a BackendTLSPolicy says how Endpoint Pickers are verified. Istio knows that, too.
func TestGatewayPolicy(t *testing.T) {
	needsGateways(t, shared)
	shared.startOperator(t, gateOn+failClose+"gateway: {implementation: other}\n")
	s := newGatewayScene(t, shared)
	s.workspace("phi", offered(gatewayName))
	ws := s.routed("phi")
	s.must(&gatewayv1.BackendTLSPolicy{}, ws.Status.InferencePool.EPPService)
	s.Expect(s.get(&route.DestinationRule{}, ws.Status.InferencePool.EPPService)).To(gomega.BeFalse())
	s.chatThrough(phi)
	s.refusesImpostor(ws)
}

// selfMade is a certificate for the names of another one, by an authority that nobody trusts.
func (s *gatewayScene) selfMade(like *corev1.Secret) ([]byte, []byte) {
	s.t.Helper()
	block, _ := pem.Decode(like.Data[corev1.TLSCertKey])
	s.Expect(block).NotTo(gomega.BeNil())
	parsed, err := x509.ParseCertificate(block.Bytes)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	authority, err := certificate.New(time.Now())
	s.Expect(err).NotTo(gomega.HaveOccurred())
	leaf, err := authority.Issue(time.Now(), parsed.DNSNames)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	return leaf.Certificate, leaf.Key
}

// renewCertificate makes the operator believe that the Endpoint Picker's certificate is old, and waits until the Endpoint
// Picker serves the next one, without having been restarted.
func (s *gatewayScene) renewCertificate(ws *v1beta1.Workspace) {
	s.t.Helper()
	stored, trust := &corev1.Secret{}, &corev1.ConfigMap{}
	s.Expect(s.Get(s.ctx, client.ObjectKey{Namespace: operatorNamespace, Name: "workspace-operator-ca"}, stored)).To(gomega.Succeed())
	authority, err := certificate.Parse(stored.Data[corev1.TLSCertKey], stored.Data[corev1.TLSPrivateKeyKey])
	s.Expect(err).NotTo(gomega.HaveOccurred())
	name := ws.Status.InferencePool.EPPService
	aged, err := authority.Issue(time.Now().Add(-61*24*time.Hour), []string{name})
	s.Expect(err).NotTo(gomega.HaveOccurred())
	pods := s.pickerPods(ws.Name)
	s.Expect(pods).To(gomega.HaveLen(1))
	old, err := s.servedSerial(pods[0])
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.must(trust, name+"-tls")
	s.edit(trust, func() { trust.Data[corev1.TLSCertKey] = string(aged.Certificate) })
	// The kubelet takes its time with Secrets.
	s.until(func() error {
		serial, err := s.servedSerial(pods[0])
		if err != nil {
			return err
		}
		if serial.Cmp(old) == 0 {
			return errors.New("the endpoint picker serves the old certificate")
		}
		return nil
	})
	s.Expect(uids(s.pickerPods(ws.Name))).To(gomega.Equal(uids(pods)))
	s.routed(ws.Name)
}

// servedSerial is the serial number of the certificate that an Endpoint Picker serves now.
func (s *gatewayScene) servedSerial(pod corev1.Pod) (*big.Int, error) {
	dialer := tls.Dialer{Config: &tls.Config{
		InsecureSkipVerify: true, // It is only looked at.
		NextProtos:         []string{"h2"}, MinVersion: tls.VersionTLS12,
	}}
	connection, err := dialer.DialContext(s.ctx, "tcp", pod.Status.PodIP+":9002")
	if err != nil {
		return nil, fmt.Errorf("asking for the certificate: %w", err)
	}
	defer func() { _ = connection.Close() }()
	peers := connection.(*tls.Conn).ConnectionState().PeerCertificates
	if len(peers) == 0 {
		return nil, errors.New("no certificate is served")
	}
	return peers[0].SerialNumber, nil
}
