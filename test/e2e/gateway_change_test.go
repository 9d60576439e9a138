// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// TestGatewayUnderLoad changes everything that can be changed while requests come in, by way of body-based routing and the
// Endpoint Picker, and no request fails.
func TestGatewayUnderLoad(t *testing.T) {
	needsGateways(t, shared)
	operator := shared.startOperator(t, bodyBased+chartVersion("v1.4.0"))
	s := newGatewayScene(t, shared)
	s.workspace("phi", offered(gatewayName), twoReplicas)
	ws := s.routed("phi")
	l := s.load(phi)
	l.during("the router rolls", s.rollRouter)
	l.during("a router goes", s.dropRouter)
	l.during("the endpoint picker restarts", func() { s.restartPicker(ws) })
	l.during("the Workspace is updated", func() {
		s.config("max-num-seqs: 64")
		s.edit(ws, func() { ws.Inference.Config = settings })
		s.expect("phi", "Ready=False RolloutInProgress")
		ws = s.routed("phi")
	})
	l.during("the model is scaled up", func() {
		s.scale("phi", 3)
		ws = s.routed("phi")
		s.Expect(ws.Status.ReadyOfReplicas).To(gomega.Equal("3/3"))
	})
	l.during("the certificate is renewed", func() { s.renewCertificate(ws) })
	l.during("the endpoint picker's chart is upgraded", func() {
		s.Expect(operator.stop()).To(gomega.Succeed())
		operator = shared.startOperator(t, bodyBased+chartVersion("v1.5.0"))
		ws = s.upgraded("v1.5.0")
	})
	l.end()
}

// upgraded waits until another version of the pool chart is deployed.
func (s *gatewayScene) upgraded(version string) *v1beta1.Workspace {
	s.t.Helper()
	s.until(func() error { return s.wantsChart("phi", version) })
	s.expect("phi", "InferencePoolReady=True PoolReady: "+version)
	ws := s.routed("phi")
	s.expectChart(ws, version)
	return ws
}

// rollRouter replaces the pods of body-based routing.
func (s *gatewayScene) rollRouter() {
	s.t.Helper()
	old := uids(s.routerPods())
	s.Expect(old).To(gomega.HaveLen(2))
	s.rollout("restart")
	s.rollout("status", "--timeout=3m")
	for _, uid := range uids(s.routerPods()) {
		s.Expect(old).NotTo(gomega.ContainElement(uid))
	}
}

// routerPods are those of body-based routing at the scene's Gateway.
func (s *gatewayScene) routerPods() []corev1.Pod {
	s.t.Helper()
	return s.pods(map[string]string{"app": plan.RouterName(gatewayName)})
}

// dropRouter takes one of two pods of body-based routing away, as the drain of a node does.
func (s *gatewayScene) dropRouter() {
	s.t.Helper()
	pod := s.routerPods()[0]
	s.Expect(s.Delete(s.ctx, &pod)).To(gomega.Succeed())
	s.until(func() error { return s.gone(&pod) })
	s.rollout("status", "--timeout=3m")
}

func (s *gatewayScene) rollout(verb string, flags ...string) {
	s.t.Helper()
	args := append([]string{"--namespace", s.namespace, "rollout", verb, "deployment/" + plan.RouterName(gatewayName)}, flags...)
	_, err := s.kubectl(s.ctx, args...)
	s.Expect(err).NotTo(gomega.HaveOccurred())
}
