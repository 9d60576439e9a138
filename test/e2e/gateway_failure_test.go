// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

const failClose = "endpointPicker: {failureMode: FailClose}\n"

// testFailOpen: without an Endpoint Picker requests go to any pod; when it is back, they are picked again.
func testFailOpen(t *testing.T) {
	s := newGatewayScene(t, shared)
	s.workspace("phi", offered(gatewayName))
	ws := s.routed("phi")
	s.withoutPicker(ws, func() {
		for i := range 20 {
			_, err := s.askOnce(s.ctx, phi, fmt.Sprintf("Is anybody there, %d?", i))
			s.Expect(err).NotTo(gomega.HaveOccurred())
		}
		s.expect("phi", "InferencePoolReady=False EndpointPickerNotAvailable", "InferenceReady=True ReplicasReady",
			"RouteReady=True RouteReady: its endpoint picker is not available")
	})
	s.routed("phi")
	// The worst case: requests without a body are answered, and nobody would notice. Those with one fail: Envoy lets none pass
	// that it has begun to hand on.
	s.impostor(ws, func() {
		s.expect("phi", "RouteReady=False GatewayRequestFailed: is the endpoint picker's certificate trusted", "InferencePoolReady=True PoolReady")
		codes := map[int]int{}
		for range 20 {
			a, err := s.through("/v1/models", nil)
			s.Expect(err).NotTo(gomega.HaveOccurred())
			s.Expect(a.code).To(gomega.Equal(http.StatusOK), "%s", a.body)
			s.Expect(a.header.Get(servedBy)).To(gomega.HavePrefix("phi-"))
			s.Expect(a.header.Get(pickerMark)).To(gomega.BeEmpty(), "the endpoint picker was asked")
			a, err = s.through("/v1/chat/completions", chatRequest(phi))
			s.Expect(err).NotTo(gomega.HaveOccurred())
			s.Expect(a.header.Get(pickerMark)).To(gomega.BeEmpty(), "the endpoint picker was asked")
			codes[a.code]++
		}
		t.Logf("requests with a body: %v", codes)
	})
}

// withoutPicker takes the Endpoint Picker away while f runs.
func (s *gatewayScene) withoutPicker(ws *v1beta1.Workspace, f func()) {
	s.t.Helper()
	s.suspended(ws, func() {
		picker := &appsv1.Deployment{}
		s.must(picker, ws.Status.InferencePool.EPPService)
		s.edit(picker, func() { picker.Spec.Replicas = new(int32(0)) })
		s.until(func() error {
			list := &corev1.PodList{}
			if err := s.List(s.ctx, list, client.InNamespace(s.namespace), client.MatchingLabels{v1beta1.LabelEndpointPicker: ws.Name}); err != nil {
				return err
			}
			if len(list.Items) > 0 {
				return fmt.Errorf("%d endpoint pickers are left", len(list.Items))
			}
			return nil
		})
		f()
		s.must(picker, picker.Name)
		s.edit(picker, func() { picker.Spec.Replicas = new(int32(1)) })
	})
	s.pickerServes(ws)
}

// suspended keeps Flux from bringing back what it installed while f runs.
func (s *gatewayScene) suspended(ws *v1beta1.Workspace, f func()) {
	s.t.Helper()
	release := &helmv2.HelmRelease{}
	s.must(release, ws.Status.InferencePool.Name)
	s.edit(release, func() { release.Spec.Suspend = true })
	f()
	s.must(release, release.Name)
	s.edit(release, func() { release.Spec.Suspend = false })
}

// pickerServes waits until the Endpoint Picker is available as it is wanted.
func (s *gatewayScene) pickerServes(ws *v1beta1.Workspace) {
	s.t.Helper()
	s.until(func() error {
		picker := &appsv1.Deployment{}
		s.must(picker, ws.Status.InferencePool.EPPService)
		if picker.Status.ObservedGeneration != picker.Generation || picker.Status.AvailableReplicas == 0 || picker.Status.UnavailableReplicas > 0 {
			return errors.New("the endpoint picker is not available")
		}
		return nil
	})
}

// TestGatewayFailClose is failure mode FailClose: without an Endpoint Picker that can be believed, nothing is answered.
func TestGatewayFailClose(t *testing.T) { //nolint:tparallel // one operator at a time works in a cluster
	needsGateways(t, shared)
	shared.startOperator(t, pathBased+failClose)
	for name, test := range map[string]func(*testing.T){
		"Refuses":   testFailClose,
		"Elsewhere": testElsewhere,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

func testFailClose(t *testing.T) {
	s := newGatewayScene(t, shared)
	s.workspace("phi", offered(gatewayName))
	ws := s.routed("phi")
	s.chatThrough(phi)
	s.withoutPicker(ws, func() {
		s.refused()
		s.expect("phi", "InferencePoolReady=False EndpointPickerNotAvailable", "RouteReady=False")
	})
	s.routed("phi")
	s.chatThrough(phi)
	s.refusesImpostor(ws)
}

// refusesImpostor: the Endpoint Picker's certificate is really verified.
func (s *gatewayScene) refusesImpostor(ws *v1beta1.Workspace) {
	s.t.Helper()
	s.impostor(ws, func() {
		s.refused()
		s.expect("phi", "RouteReady=False GatewayRequestFailed: is the endpoint picker's certificate trusted", "InferencePoolReady=True PoolReady")
	})
}

// refused: requests get an error, and none is answered.
func (s *gatewayScene) refused() {
	s.t.Helper()
	var codes []int
	// Envoy may learn a moment later than Kubernetes.
	s.until(func() error {
		a, err := s.through("/v1/chat/completions", chatRequest(phi))
		if err != nil {
			return err
		}
		if a.code < http.StatusInternalServerError {
			return fmt.Errorf("answered: %d", a.code)
		}
		return nil
	})
	for range 20 {
		a, err := s.through("/v1/chat/completions", chatRequest(phi))
		s.Expect(err).NotTo(gomega.HaveOccurred())
		codes = append(codes, a.code)
		s.Expect(a.code).To(gomega.BeNumerically(">=", http.StatusInternalServerError), "%s", a.body)
	}
	s.t.Logf("refused with %v", codes)
}

// impostor gives the Endpoint Picker a certificate of an authority that the Gateway does not trust, while f runs.
func (s *gatewayScene) impostor(ws *v1beta1.Workspace, f func()) {
	s.t.Helper()
	secret := &corev1.Secret{}
	s.must(secret, ws.Status.InferencePool.EPPService+"-tls")
	certificate, key := s.selfMade(secret)
	s.edit(secret, func() { secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey] = certificate, key })
	s.restartPicker(ws)
	f()
	// Whoever removes the false one gets a true one.
	s.Expect(s.Delete(s.ctx, secret)).To(gomega.Succeed())
	s.restartPicker(ws)
	s.routed("phi")
	s.chatThrough(phi)
}

// restartPicker has the Endpoint Picker start anew.
func (s *gatewayScene) restartPicker(ws *v1beta1.Workspace) {
	s.t.Helper()
	old := uids(s.pickerPods(ws.Name))
	for _, pod := range s.pickerPods(ws.Name) {
		s.Expect(s.Delete(s.ctx, &pod)).To(gomega.Succeed())
	}
	s.until(func() error {
		for _, uid := range uids(s.pickerPods(ws.Name)) {
			if slices.Contains(old, uid) {
				return errors.New("the old one is there")
			}
		}
		return nil
	})
	s.pickerServes(ws)
}
