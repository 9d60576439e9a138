// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

const (
	// bodyBased routes by the name of the model at every Gateway that a Workspace names.
	bodyBased = gateOn + "gateway: {bodyBasedRouting: {enabled: true}}\n"
	// pathBased offers one Workspace at each Gateway.
	pathBased = gateOn

	gatewayName  = "inference-gateway"
	gatewayClass = "istio"

	routeReady = "RouteReady=True RouteReady"
)

// gatewayScene is a scene with a Gateway of its own.
type gatewayScene struct {
	*scene
	// address is where the Gateway's Envoy listens, from this machine and from pods.
	address string
}

// newGatewayScene makes a namespace with a Gateway named inference-gateway, and waits until its Envoy takes requests.
func newGatewayScene(t *testing.T, c *cluster) *gatewayScene {
	t.Helper()
	s := &gatewayScene{scene: newScene(t, c, nil)}
	s.address = s.gateway(gatewayName)
	return s
}

// needsGateways skips a test on clusters without Istio.
func needsGateways(t *testing.T, c *cluster) {
	t.Helper()
	class := &gatewayv1.GatewayClass{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: gatewayClass}, class); err != nil {
		t.Skipf("GatewayClass %s: %v", gatewayClass, err)
	}
}

// gateway creates a Gateway, for HTTP routes of its own namespace unless it gets other listeners, and returns its address.
func (s *scene) gateway(name string, listeners ...gatewayv1.Listener) string {
	s.t.Helper()
	if len(listeners) == 0 {
		listeners = []gatewayv1.Listener{{Name: "http", Protocol: gatewayv1.HTTPProtocolType, Port: 80}}
	}
	s.create(&gatewayv1.Gateway{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       gatewayv1.GatewaySpec{GatewayClassName: gatewayClass, Listeners: listeners},
	})
	return s.gatewayAddress(name)
}

// open has a Gateway's first listener take routes from all namespaces.
func (s *scene) open(name string) {
	s.t.Helper()
	gateway := &gatewayv1.Gateway{}
	s.must(gateway, name)
	s.edit(gateway, func() {
		gateway.Spec.Listeners[0].AllowedRoutes = &gatewayv1.AllowedRoutes{
			Namespaces: &gatewayv1.RouteNamespaces{From: new(gatewayv1.NamespacesFromAll)},
		}
	})
}

// gatewayAddress waits until a Gateway takes requests.
func (s *scene) gatewayAddress(name string) string {
	s.t.Helper()
	gateway := &gatewayv1.Gateway{}
	s.until(func() error {
		s.must(gateway, name)
		for _, wanted := range []gatewayv1.GatewayConditionType{gatewayv1.GatewayConditionAccepted, gatewayv1.GatewayConditionProgrammed} {
			if !isTrue(gateway.Status.Conditions, string(wanted)) {
				return fmt.Errorf("Gateway %s is not %s: %+v", name, wanted, gateway.Status.Conditions)
			}
		}
		return nil
	})
	s.Expect(gateway.Status.Addresses).NotTo(gomega.BeEmpty())
	return gateway.Status.Addresses[0].Value
}

// isTrue is strict: the condition must be there.
func isTrue(conditions []metav1.Condition, wanted string) bool {
	for _, c := range conditions {
		if c.Type == wanted {
			return c.Status == metav1.ConditionTrue
		}
	}
	return false
}

// offered has a Workspace ask for a route at a Gateway of its own namespace.
func offered(gateway string) func(*v1beta1.Workspace) {
	return func(ws *v1beta1.Workspace) {
		ws.Inference.Gateway = &v1beta1.GatewaySpec{ParentRefs: []v1beta1.GatewayReference{{Name: gateway}}}
	}
}

// offeredIn is offered for a Gateway elsewhere.
func offeredIn(namespace string) func(*v1beta1.Workspace) {
	return func(ws *v1beta1.Workspace) {
		ws.Inference.Gateway = &v1beta1.GatewaySpec{ParentRefs: []v1beta1.GatewayReference{{Name: gatewayName, Namespace: namespace}}}
	}
}

func preset(name string) func(*v1beta1.Workspace) {
	return func(ws *v1beta1.Workspace) { ws.Inference.Preset.Name = name }
}

// routed waits until a Workspace is Ready and its route is proved.
func (s *scene) routed(name string) *v1beta1.Workspace {
	s.t.Helper()
	return s.expect(name, routeReady, "Ready=True Ready", "!Reconciling", "!Stalled")
}

// through sends a request to a Gateway, from this machine. No body makes it a GET. Whatever the code is, it is no error.
func (s *gatewayScene) through(path string, body any, headers ...string) (answer, error) {
	return s.call("http://"+s.address+path, body, headers...)
}

// call sends a request; headers are names and values in turn.
func (s *scene) call(to string, body any, headers ...string) (answer, error) {
	request, err := s.request(to, body, headers...)
	if err != nil {
		return answer{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return answer{code: response.StatusCode, header: response.Header, body: text}, err
}

func (s *scene) request(to string, body any, headers ...string) (*http.Request, error) {
	method, content := http.MethodGet, []byte(nil)
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return nil, err
		}
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(s.ctx, method, to, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	// Go sends this one from a field of its own.
	request.Host = request.Header.Get("Host")
	// Envoy leaves connections that are open with the filters that it had when they were opened.
	request.Close = true
	return request, nil
}

// chatThrough asks a model through the Gateway and returns the pod that the Endpoint Picker chose.
func (s *gatewayScene) chatThrough(model string) string {
	s.t.Helper()
	a, err := s.through("/v1/chat/completions", chatRequest(model))
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(a.code).To(gomega.Equal(http.StatusOK), "%s", a.body)
	s.Expect(string(a.body)).To(gomega.ContainSubstring(`"model":"` + model + `"`))
	s.Expect(a.header.Get(pickerMark)).NotTo(gomega.BeEmpty(), "the endpoint picker was not asked")
	return a.header.Get(servedBy)
}

// offerModels leads the Service that Gateways ask for the list of models to a process on this machine, as the chart's
// leads to the operator's pods. Pods must reach the address that the API server is reached by.
func (c *cluster) offerModels(ctx context.Context, address string) error {
	listener, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	server, err := url.Parse(c.config.Host)
	if err != nil {
		return err
	}
	config := configv1alpha1.Configuration{Gateway: configv1alpha1.Gateway{BodyBasedRouting: configv1alpha1.BodyBasedRouting{Enabled: true}}}
	configv1alpha1.Default(&config)
	name := config.Gateway.BodyBasedRouting.ModelsService
	meta := metav1.ObjectMeta{Name: name, Namespace: operatorNamespace, Labels: map[string]string{discoveryv1.LabelServiceName: name}}
	for _, obj := range []client.Object{
		&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}},
		&discoveryv1.EndpointSlice{
			ObjectMeta: meta, AddressType: discoveryv1.AddressTypeIPv4,
			Ports:     []discoveryv1.EndpointPort{{Name: new("http"), Port: new(int32(listener.Port()))}},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{server.Hostname()}}},
		},
	} {
		if err := errors.Join(client.IgnoreNotFound(c.Delete(ctx, obj)), c.Create(ctx, obj)); err != nil {
			return fmt.Errorf("offering the list of models: %w", err)
		}
	}
	return nil
}
