// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"errors"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
)

// testPoolFirst: the InferencePool comes back before the Service of its Endpoint Picker, which Istio looks for once and then
// never again. The operator tells it.
func testPoolFirst(t *testing.T) {
	s := newGatewayScene(t, shared)
	s.workspace("phi", offered(gatewayName))
	ws := s.routed("phi")
	s.chatThrough(phi)
	s.suspended(ws, func() {
		pool, service := &inferencev1.InferencePool{}, &corev1.Service{}
		s.must(pool, ws.Status.InferencePool.Name)
		s.must(service, ws.Status.InferencePool.EPPService)
		newPool := &inferencev1.InferencePool{ObjectMeta: sameMeta(pool), Spec: pool.Spec}
		newService := &corev1.Service{ObjectMeta: sameMeta(service), Spec: service.Spec}
		newService.Spec.ClusterIP, newService.Spec.ClusterIPs = "", nil
		for _, obj := range []client.Object{pool, service} {
			s.Expect(s.Delete(s.ctx, obj)).To(gomega.Succeed())
			s.until(func() error { return s.gone(obj) })
		}
		s.create(newPool)
		s.until(func() error { return s.missesPicker(newPool) })
		s.expect("phi", "RouteReady=False RouteNotResolved")
		s.create(newService)
		// Flux, which would write the pool once more, is not needed for that.
		s.expect("phi", routeReady)
		s.chatThrough(phi)
	})
	s.routed("phi")
}

// sameMeta is what to create an object again with.
func sameMeta(obj client.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: obj.GetName(), Labels: obj.GetLabels(), Annotations: obj.GetAnnotations()}
}

// missesPicker complains as long as Istio has not noticed that the Endpoint Picker's Service is not there.
func (s *gatewayScene) missesPicker(pool *inferencev1.InferencePool) error {
	s.t.Helper()
	s.must(pool, pool.Name)
	for _, parent := range pool.Status.Parents {
		c := meta.FindStatusCondition(parent.Conditions, string(inferencev1.InferencePoolConditionResolvedRefs))
		if c != nil && c.Status == metav1.ConditionFalse && c.Reason == string(inferencev1.InferencePoolReasonInvalidExtensionRef) {
			return nil
		}
	}
	return errors.New("the InferencePool is not yet seen to have no Endpoint Picker")
}
