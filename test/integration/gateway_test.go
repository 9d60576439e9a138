// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// pickerMark is what an Endpoint Picker that was asked leaves on a response.
const pickerMark = "X-Went-Into-Resp-Headers"

const gatewayName = "front"

// proxy answers requests as a gateway would, with or without asking the Endpoint Picker.
type proxy struct {
	*httptest.Server
	asks     atomic.Bool
	requests atomic.Int64
	model    atomic.Value
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.requests.Add(1)
	p.model.Store(r.Header.Get("X-Gateway-Model-Name"))
	if p.asks.Load() {
		w.Header().Set(pickerMark, "true")
	}
	if r.Method == http.MethodPost {
		// As vLLM refuses a completion of no tokens.
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":{"message":"max_tokens must be at least 1, got 0.","type":"BadRequestError","param":"max_tokens","code":400}}`)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (s *scene) proxy() *proxy {
	s.t.Helper()
	p := &proxy{}
	p.asks.Store(true)
	p.Server = httptest.NewServer(p)
	s.t.Cleanup(p.Close)
	return p
}

// gatewayClass makes a class of the scene's own that its controller accepts.
func (s *scene) gatewayClass() {
	s.t.Helper()
	class := &gatewayv1.GatewayClass{
		ObjectMeta: metav1.ObjectMeta{Name: s.namespace},
		Spec:       gatewayv1.GatewayClassSpec{ControllerName: "istio.io/gateway-controller"},
	}
	s.create(class)
	s.t.Cleanup(func() { _ = s.Delete(s.cleanup(), class) })
	s.status(class, func() { setConditions(&class.Status.Conditions, class.Generation, "Accepted=True Accepted") })
}

// gateway makes the Gateway in the scene's namespace that is programmed and has the proxy's address.
func (s *scene) gateway(p *proxy, change ...func(*gatewayv1.GatewaySpec)) *gatewayv1.Gateway {
	s.t.Helper()
	host, port, err := net.SplitHostPort(p.Listener.Addr().String())
	s.Expect(err).NotTo(gomega.HaveOccurred())
	number, err := strconv.ParseInt(port, 10, 32)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	g := &gatewayv1.Gateway{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: gatewayName},
		Spec: gatewayv1.GatewaySpec{
			GatewayClassName: gatewayv1.ObjectName(s.namespace),
			Listeners: []gatewayv1.Listener{{
				Name: "http", Port: gatewayv1.PortNumber(number), Protocol: gatewayv1.HTTPProtocolType,
				AllowedRoutes: &gatewayv1.AllowedRoutes{Namespaces: &gatewayv1.RouteNamespaces{From: new(gatewayv1.NamespacesFromSame)}},
			}},
		},
	}
	for _, f := range change {
		f(&g.Spec)
	}
	s.create(g)
	s.status(g, func() {
		g.Status.Addresses = []gatewayv1.GatewayStatusAddress{{Type: new(gatewayv1.IPAddressType), Value: host}}
		setConditions(&g.Status.Conditions, g.Generation, "Accepted=True Accepted", "Programmed=True Programmed")
	})
	return g
}

// setConditions tells conditions as TYPE=STATUS REASON.
func setConditions(conditions *[]metav1.Condition, generation int64, told ...string) {
	for _, one := range told {
		var c metav1.Condition
		if _, err := fmt.Sscanf(one, "%s %s", &c.Type, &c.Reason); err != nil {
			panic(err)
		}
		kind, status, _ := strings.Cut(c.Type, "=")
		c.Type, c.Status = kind, metav1.ConditionStatus(status)
		c.ObservedGeneration, c.Message = generation, "the controller says so"
		meta.SetStatusCondition(conditions, c)
	}
}

// judges is the controller of Gateways with its verdict on a Workspace's HTTPRoute: on all its parents alike.
func (s *scene) judges(workspace string, told ...string) {
	s.t.Helper()
	s.changes()
	r := s.route(workspace)
	s.status(r, func() {
		r.Status.Parents = nil
		for _, ref := range r.Spec.ParentRefs {
			verdict := gatewayv1.RouteParentStatus{ParentRef: ref, ControllerName: "istio.io/gateway-controller", Conditions: []metav1.Condition{}}
			setConditions(&verdict.Conditions, r.Generation, told...)
			r.Status.Parents = append(r.Status.Parents, verdict)
		}
	})
}

// takes is the controller of Gateways with its verdict on a Workspace's pool.
func (s *scene) takes(workspace string, told ...string) {
	s.t.Helper()
	s.changes()
	r, pool := s.route(workspace), &inferencev1.InferencePool{}
	s.Expect(s.get(pool, poolName(workspace))).To(gomega.BeTrue())
	s.status(pool, func() {
		pool.Status.Parents = nil
		for _, ref := range r.Spec.ParentRefs {
			verdict := inferencev1.ParentStatus{ParentRef: inferencev1.ParentReference{
				// As Istio writes it.
				Group: new(inferencev1.Group("networking.istio.io")), Kind: "Gateway",
				Namespace: inferencev1.Namespace(*ref.Namespace), Name: inferencev1.ObjectName(ref.Name),
			}}
			setConditions(&verdict.Conditions, pool.Generation, told...)
			pool.Status.Parents = append(pool.Status.Parents, verdict)
		}
	})
}

// attached is a controller that is content with route and pool.
func (s *scene) attached(workspace string) {
	s.t.Helper()
	s.judges(workspace, "Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs")
	s.takes(workspace, "Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs")
}

// route is a Workspace's HTTPRoute, once it is there.
func (s *scene) route(workspace string) *gatewayv1.HTTPRoute {
	s.t.Helper()
	r := &gatewayv1.HTTPRoute{}
	s.until(func() error {
		return s.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: poolName(workspace)}, r)
	})
	return r
}

// offered has a Workspace ask for a route at the Gateway of the scene's namespace.
func offered(hostnames ...string) func(*v1beta1.Workspace) {
	return func(ws *v1beta1.Workspace) {
		ws.Inference.Gateway = &v1beta1.GatewaySpec{ParentRefs: []v1beta1.GatewayReference{{Name: gatewayName}}, Hostnames: hostnames}
	}
}
