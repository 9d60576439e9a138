// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// TestRoutes has no default Gateway: each Workspace that wants a route names one.
func TestRoutes(t *testing.T) { //nolint:tparallel // the operator stops when all have ended
	t.Parallel()
	c := startCluster(t, slices.Concat(allCRDs(), gatewayCRDs(), []string{istioCRD()})...)
	const configuration = "gateway: {implementation: istio}\n"
	operator := c.startOperator(t, gateOn()+configuration)
	t.Run("all", func(t *testing.T) {
		for name, check := range map[string]func(*scene){
			"life":              lifeOfRoute,
			"no route":          noRoute,
			"no Gateway":        noGateway,
			"closed listener":   closedListener,
			"verdicts":          verdicts,
			"conflict":          conflict,
			"conflict of none":  conflictOfNone,
			"nowhere":           nowhere,
			"examples":          examplesOfRoutes,
			"proof":             proof,
			"bypass":            bypass,
			"rule of others":    ruleOfOthers,
			"certificate":       certificates,
			"stale pool":        stalePool,
			"drift HTTPRoute":   driftOf("HTTPRoute"),
			"drift rule":        driftOf("DestinationRule"),
			"drift authorities": driftOf("ConfigMap"),
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				check(newScene(t, c))
			})
		}
		for name, stranger := range routeStrangers() {
			t.Run("taken "+name, func(t *testing.T) {
				t.Parallel()
				routeTaken(newScene(t, c), stranger)
			})
		}
	})
	t.Run("restart", func(t *testing.T) {
		s := newScene(t, c)
		s.gatewayClass()
		s.node("a", 3)
		p := s.proxy()
		s.gateway(p)
		names := []string{"phi-0", "phi-1", "phi-2"}
		for _, name := range names {
			s.routed(name, offered(name+".example.com"))
		}
		mark, asked := s.quietMark(), p.requests.Load()
		s.step("the operator restarts")
		s.Expect(operator.stop()).To(gomega.Succeed())
		c.startOperator(t, gateOn()+configuration)
		s.until(func() error {
			if have := p.requests.Load(); have < asked+int64(len(names)) {
				return fmt.Errorf("the Gateway was asked %d times", have-asked)
			}
			return nil
		})
		s.Consistently(func() []string {
			return s.operatorRequests(t, mark, func(r request) bool { return r.isWrite() && r.ObjectRef.Namespace == s.namespace })
		}).WithTimeout(2*quiet).WithPolling(5*interval).Should(gomega.BeEmpty(), "writes after a restart")
	})
}

// lifeOfRoute follows one route from nothing to nothing.
func lifeOfRoute(s *scene) {
	s.node("a", 1)
	s.gatewayClass()
	p := s.proxy()
	s.gateway(p)
	ws := s.workspace("phi", offered("models.example.com", "*.phi.example.com"))
	r := s.route("phi")
	spec := gatewayv1.HTTPRouteSpec{
		CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{{
			Group: new(gatewayv1.Group(gatewayv1.GroupName)), Kind: new(gatewayv1.Kind("Gateway")),
			Namespace: new(gatewayv1.Namespace(s.namespace)), Name: "front",
		}}},
		Hostnames: []gatewayv1.Hostname{"*.phi.example.com", "models.example.com"},
		Rules: []gatewayv1.HTTPRouteRule{{
			Matches: []gatewayv1.HTTPRouteMatch{{Path: &gatewayv1.HTTPPathMatch{Type: new(gatewayv1.PathMatchPathPrefix), Value: new("/")}}},
			BackendRefs: []gatewayv1.HTTPBackendRef{{BackendRef: gatewayv1.BackendRef{
				BackendObjectReference: gatewayv1.BackendObjectReference{
					Group: new(gatewayv1.Group("inference.networking.k8s.io")), Kind: new(gatewayv1.Kind("InferencePool")), Name: "phi-inferencepool",
				},
				Weight: new(int32(1)),
			}}},
			Timeouts: &gatewayv1.HTTPRouteTimeouts{Request: new(gatewayv1.Duration("0s"))},
		}},
	}
	if diff := cmp.Diff(spec, r.Spec); diff != "" {
		s.t.Errorf("HTTPRoute (-want +have):\n%s", diff)
	}
	s.expect("phi", "RouteReady=False RouteProgressing: has said nothing of HTTPRoute phi-inferencepool", "!Stalled")
	s.allButRoute("phi")
	s.judges("phi", "Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs")
	s.expect("phi", "RouteReady=False RouteProgressing: has said nothing of InferencePool phi-inferencepool", "Ready=False RouteProgressing")
	s.takes("phi", "Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs")
	ready := s.expect("phi", "RouteReady=True RouteReady: its endpoint picker is asked", "Ready=True Ready")
	_, port, _ := strings.Cut(p.Listener.Addr().String(), ":")
	s.Expect(ready.Status.Endpoint).To(gomega.Equal("http://models.example.com:" + port))

	s.step("it is settled")
	mark, asked := s.quietMark(), p.requests.Load()
	s.Consistently(func() []string {
		return s.operatorRequests(s.t, mark, func(r request) bool { return r.ObjectRef.Namespace == s.namespace && !r.isUpkeep() })
	}).WithTimeout(3 * quiet).WithPolling(5 * interval).Should(gomega.BeEmpty())
	s.Expect(p.requests.Load()).To(gomega.Equal(asked), "the Gateway is asked once after a change")

	s.step("the route is not wanted any more")
	s.edit(ws, func() { ws.Inference.Gateway = nil })
	for _, obj := range []client.Object{&gatewayv1.HTTPRoute{}, &route.DestinationRule{}, &corev1.ConfigMap{}, &corev1.Secret{}} {
		s.gone(obj, routeObject(obj, "phi"))
	}
	ready = s.expect("phi", "!RouteReady", "Ready=False PoolProgressing")
	s.Expect(ready.Status.Endpoint).To(gomega.Equal("http://phi." + s.namespace + ".svc"))

	s.step("and wanted again")
	s.edit(ws, func() { offered()(ws) })
	s.until(func() error {
		if !s.get(&corev1.Secret{}, routeObject(&corev1.Secret{}, "phi")) {
			return errors.New("the certificate is not made again")
		}
		return nil
	})
	s.announced("phi")
	s.step("the Workspace is deleted")
	s.Expect(s.Delete(s.t.Context(), ws)).To(gomega.Succeed())
	s.gone(&gatewayv1.HTTPRoute{}, poolName("phi"))
	s.gone(&corev1.Secret{}, routeObject(&corev1.Secret{}, "phi"))
}

// quietMark is a mark after which the log of the last writes and their events does not come any more.
func (s *scene) quietMark() int64 {
	s.t.Helper()
	mark, calm := s.mark(s.t), 0
	s.until(func() error {
		calm++
		if late := s.operatorRequests(s.t, mark, func(r request) bool { return r.ObjectRef.Namespace == s.namespace && !r.isUpkeep() }); len(late) > 0 {
			mark, calm = s.mark(s.t), 0
		}
		if calm < 10 {
			return fmt.Errorf("quiet for %d looks only", calm)
		}
		return nil
	})
	return mark
}

// allButRoute makes everything ready but the route.
func (s *scene) allButRoute(workspace string) {
	s.t.Helper()
	s.fluxDeploys(workspace)
	s.serve(workspace)
	s.expect(workspace, "InferencePoolReady=True PoolReady", "InferenceReady=True ReplicasReady")
}

// routed makes a Workspace whose route is ready.
func (s *scene) routed(workspace string, change func(*v1beta1.Workspace)) *v1beta1.Workspace {
	s.t.Helper()
	s.workspace(workspace, change)
	s.allButRoute(workspace)
	s.attached(workspace)
	return s.expect(workspace, "RouteReady=True RouteReady", "Ready=True Ready")
}

// routeObject is the name of an object of a Workspace's route.
func routeObject(obj client.Object, workspace string) string {
	switch obj.(type) {
	case *gatewayv1.HTTPRoute:
		return poolName(workspace)
	case *corev1.Secret, *corev1.ConfigMap, *route.Certificate:
		return eppName(workspace) + "-tls"
	default:
		return eppName(workspace)
	}
}

// noRoute: who has no Gateway costs what it cost before there were routes. Who routes by himself has a certificate to verify.
func noRoute(s *scene) {
	s.node("a", 2)
	mark := s.mark(s.t)
	s.workspace("phi")
	s.workspace("none", func(ws *v1beta1.Workspace) {
		ws.Inference.Gateway = &v1beta1.GatewaySpec{Mode: v1beta1.RouteNone}
	})
	for _, name := range []string{"phi", "none"} {
		s.ready(name)
		s.expect(name, "!RouteReady")
	}
	want := []string{}
	for _, name := range []string{"none", "phi"} {
		want = append(want, "Deployment/"+name, "HelmRelease/"+poolName(name), "OCIRepository/"+poolName(name), "Service/"+name)
	}
	want = append(want, "ConfigMap/"+eppName("none")+"-tls", "Secret/"+eppName("none")+"-tls")
	slices.Sort(want)
	if diff := cmp.Diff(want, s.written()); diff != "" {
		s.t.Errorf("children (-want +have):\n%s", diff)
	}
	s.Expect(s.operatorRequests(s.t, mark, func(r request) bool {
		forRoutes := slices.Contains([]string{"secrets", "configmaps", "httproutes", "destinationrules", "gateways"}, r.ObjectRef.Resource)
		return r.ObjectRef.Namespace == s.namespace && forRoutes && r.ObjectRef.Name != eppName("none")+"-tls"
	})).To(gomega.BeEmpty())
}

func noGateway(s *scene) {
	s.node("a", 1)
	s.workspace("phi", offered())
	s.expect("phi", "RouteReady=False GatewayNotFound: Gateway "+s.namespace+"/front does not exist: create it", "!Stalled")
	s.allButRoute("phi")
	s.expect("phi", "Ready=False GatewayNotFound")
	s.step("the Gateway comes, its class does not exist")
	s.gateway(s.proxy())
	s.expect("phi", "RouteReady=False GatewayClassNotReady: spec.gatewayClassName of Gateway "+s.namespace+"/front is "+s.namespace+", which does not exist")
	s.step("the class comes")
	s.gatewayClass()
	s.expect("phi", "RouteReady=False RouteProgressing")
	s.attached("phi")
	s.expect("phi", "RouteReady=True RouteReady")
	s.step("the Gateway goes")
	s.Expect(s.Delete(s.t.Context(), &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "front"}})).To(gomega.Succeed())
	s.expect("phi", "RouteReady=False GatewayNotFound")
	s.Expect(s.get(&gatewayv1.HTTPRoute{}, poolName("phi"))).To(gomega.BeTrue(), "the route waits for it")
}

// closedListener has the Gateway in a namespace of its own.
func closedListener(s *scene) {
	s.node("a", 1)
	s.gatewayClass()
	elsewhere := newScene(s.t, s.cluster)
	p := s.proxy()
	g := elsewhere.gateway(p, func(spec *gatewayv1.GatewaySpec) { spec.GatewayClassName = gatewayv1.ObjectName(s.namespace) })
	s.workspace("phi", func(ws *v1beta1.Workspace) {
		offered()(ws)
		ws.Inference.Gateway.ParentRefs[0].Namespace = elsewhere.namespace
		ws.Inference.Gateway.ParentRefs[0].SectionName = "https"
	})
	s.expect("phi", "RouteReady=False ListenerNotFound: Gateway "+elsewhere.namespace+"/front has no listener https")
	ws := s.expect("phi")
	s.step("all its listeners")
	s.edit(ws, func() { ws.Inference.Gateway.ParentRefs[0].SectionName = "" })
	s.expect("phi", "RouteReady=False NotAllowedByListeners: Gateway "+elsewhere.namespace+"/front admits no HTTPRoute from namespace "+s.namespace+
		": spec.listeners[http].allowedRoutes.namespaces.from is Same: set it to All")
	s.step("the listener is opened")
	elsewhere.edit(g, func() { g.Spec.Listeners[0].AllowedRoutes.Namespaces.From = new(gatewayv1.NamespacesFromAll) })
	s.expect("phi", "RouteReady=False RouteProgressing")
	s.allButRoute("phi")
	s.attached("phi")
	s.expect("phi", "RouteReady=True RouteReady")
}

// verdicts: what the Gateway's controller can say, each in its place.
func verdicts(s *scene) {
	s.node("a", 1)
	s.gatewayClass()
	g := s.gateway(s.proxy())
	s.workspace("phi", offered())
	s.allButRoute("phi")
	for _, c := range []struct{ told, want string }{
		{"Accepted=False NotAllowedByListeners", "RouteReady=False NotAllowedByListeners: Gateway " + s.namespace + "/front refuses HTTPRoute phi-inferencepool"},
		{"Accepted=False UnsupportedValue", "RouteReady=False RouteNotAccepted"},
		{"ResolvedRefs=False InvalidKind", "RouteReady=False InferencePoolNotSupported: set ENABLE_GATEWAY_API_INFERENCE_EXTENSION=true on istiod"},
		{"ResolvedRefs=False RefNotPermitted", "RouteReady=False RouteNotResolved: RefNotPermitted"},
	} {
		s.step(c.told)
		s.judges("phi", "Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs", c.told)
		s.expect("phi", c.want)
	}
	s.step("the pool is not accepted")
	s.attached("phi")
	s.expect("phi", "RouteReady=True RouteReady")
	s.takes("phi", "Accepted=False HTTPRouteNotAccepted", "ResolvedRefs=True ResolvedRefs")
	s.expect("phi", "RouteReady=False RouteNotResolved: Gateway "+s.namespace+"/front does not take InferencePool phi-inferencepool")
	s.step("the proxy is lost")
	s.takes("phi", "Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs")
	s.expect("phi", "RouteReady=True RouteReady")
	s.Expect(s.get(g, "front")).To(gomega.BeTrue())
	s.status(g, func() { setConditions(&g.Status.Conditions, g.Generation, "Programmed=False AddressNotAssigned") })
	s.expect("phi", "RouteReady=False GatewayNotReady: is not Programmed: AddressNotAssigned")
	s.announced("phi")
}

// conflict: the second of two Workspaces that claim the same gets it when the first goes.
func conflict(s *scene) {
	s.node("a", 3)
	s.gatewayClass()
	s.gateway(s.proxy())
	first := s.routed("first", offered())
	s.step("a second one")
	s.workspace("second", offered())
	s.allButRoute("second")
	held := "RouteReady=False RouteConflict: Workspace " + s.namespace + "/first, which is older, has all models on all hosts at Gateway " + s.namespace + "/front"
	ws := s.expect("second", held, "Ready=False RouteConflict", "!Stalled")
	s.Expect(s.get(&gatewayv1.HTTPRoute{}, poolName("second"))).To(gomega.BeFalse(), "it has no route")
	s.Expect(ws.Status.Endpoint).To(gomega.Equal("http://second." + s.namespace + ".svc"))
	s.expect("first", "RouteReady=True RouteReady")
	s.step("hostnames of its own")
	s.edit(ws, func() { ws.Inference.Gateway.Hostnames = []string{"second.example.com"} })
	s.attached("second")
	ws = s.expect("second", "RouteReady=True RouteReady")
	s.step("back to all hosts")
	s.edit(ws, func() { ws.Inference.Gateway.Hostnames = nil })
	s.expect("second", held)
	s.gone(&gatewayv1.HTTPRoute{}, poolName("second"))
	s.step("the first goes")
	s.Expect(s.Delete(s.t.Context(), first)).To(gomega.Succeed())
	s.attached("second")
	s.expect("second", "RouteReady=True RouteReady")
}

// proof: a Gateway that is content with everything and passes the Endpoint Picker by.
func proof(s *scene) {
	s.node("a", 1)
	s.gatewayClass()
	p := s.proxy()
	p.asks.Store(false)
	g := s.gateway(p)
	s.workspace("phi", offered())
	s.allButRoute("phi")
	s.attached("phi")
	s.expect("phi", "RouteReady=False EndpointPickerBypassed: the endpoint picker phi-inferencepool-epp is not asked", "!Stalled")
	s.step("mended")
	p.asks.Store(true)
	s.expect("phi", "RouteReady=True RouteReady")
	s.step("the Gateway is gone from the network")
	p.Close()
	s.edit(g, func() { g.Spec.Listeners[0].AllowedRoutes.Namespaces.From = new(gatewayv1.NamespacesFromAll) })
	s.expect("phi", "RouteReady=False GatewayNotReachable: connection refused")
}

// bypass: a user's own route to the pool stays as it is, and what it spoils is told.
func bypass(s *scene) {
	s.node("a", 1)
	s.gatewayClass()
	s.gateway(s.proxy())
	s.routed("phi", offered())
	s.step("a user's route")
	theirs := &gatewayv1.HTTPRoute{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "theirs"},
		Spec: gatewayv1.HTTPRouteSpec{
			CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{{Name: gatewayName}}},
			Rules: []gatewayv1.HTTPRouteRule{{
				Filters: []gatewayv1.HTTPRouteFilter{{Type: gatewayv1.HTTPRouteFilterCORS, CORS: &gatewayv1.HTTPCORSFilter{
					AllowOrigins: []gatewayv1.CORSOrigin{"https://example.com"},
				}}},
				BackendRefs: []gatewayv1.HTTPBackendRef{{BackendRef: gatewayv1.BackendRef{BackendObjectReference: gatewayv1.BackendObjectReference{
					Group: new(gatewayv1.Group("inference.networking.k8s.io")), Kind: new(gatewayv1.Kind("InferencePool")), Name: "phi-inferencepool",
				}}}},
			}},
		},
	}
	mark := s.mark(s.t)
	s.create(theirs)
	s.expect("phi", "RouteReady=False EndpointPickerBypassed: HTTPRoute "+s.namespace+"/theirs has a CORS filter on the rule to InferencePool phi-inferencepool")
	s.step("without the filter")
	s.edit(theirs, func() { theirs.Spec.Rules[0].Filters = nil })
	s.expect("phi", "RouteReady=True RouteReady")
	s.Expect(s.operatorRequests(s.t, mark, s.writes(theirs))).To(gomega.BeEmpty())
}

// ruleOfOthers: a DestinationRule that was there before the operator made routes stays as it is, and is told of.
func ruleOfOthers(s *scene) {
	s.node("a", 1)
	s.gatewayClass()
	s.gateway(s.proxy())
	s.routed("phi", offered())
	s.step("a user's rule")
	theirs := &route.DestinationRule{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "theirs"},
		Spec: route.DestinationRuleSpec{
			Host:          "phi-inferencepool-epp",
			TrafficPolicy: route.TrafficPolicy{TLS: route.ClientTLS{Mode: "SIMPLE", InsecureSkipVerify: new(true)}},
		},
	}
	mark := s.mark(s.t)
	s.create(theirs)
	s.expect("phi", "RouteReady=False DestinationRuleConflict: DestinationRule "+s.namespace+"/theirs is for the endpoint picker phi-inferencepool-epp, too")
	s.Expect(s.operatorRequests(s.t, mark, s.writes(theirs))).To(gomega.BeEmpty())
	s.step("it is removed")
	s.Expect(s.Delete(s.t.Context(), theirs)).To(gomega.Succeed())
	s.expect("phi", "RouteReady=True RouteReady")
	s.step("a rule for all that its Gateway calls")
	wide := &route.DestinationRule{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "wide"}, Spec: route.DestinationRuleSpec{Host: "*.local"},
	}
	s.create(wide)
	s.expect("phi", "RouteReady=True RouteReady")
}

// stalePool: Istio looks for the Endpoint Picker's Service once, so the pool is touched until it looks again.
func stalePool(s *scene) {
	s.node("a", 1)
	s.gatewayClass()
	s.gateway(s.proxy())
	s.workspace("phi", offered())
	s.allButRoute("phi")
	s.judges("phi", "Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs")
	s.takes("phi", "Accepted=True Accepted", "ResolvedRefs=False InvalidExtensionRef")
	s.expect("phi", "RouteReady=False RouteNotResolved: InvalidExtensionRef")
	s.until(func() error {
		pool := &inferencev1.InferencePool{}
		if !s.get(pool, poolName("phi")) || pool.Annotations[v1beta1.AnnotationTouched] == "" {
			return fmt.Errorf("the pool was not touched: %v", pool.Annotations)
		}
		return nil
	})
}

// routeTargets are the objects of a route, and an edit of each.
func routeTargets() map[string]target {
	return map[string]target{
		"HTTPRoute": {"phi-inferencepool", func() client.Object { return &gatewayv1.HTTPRoute{} }, func(o client.Object) {
			o.(*gatewayv1.HTTPRoute).Spec.Rules[0].Filters = []gatewayv1.HTTPRouteFilter{{
				Type: gatewayv1.HTTPRouteFilterCORS, CORS: &gatewayv1.HTTPCORSFilter{AllowOrigins: []gatewayv1.CORSOrigin{"https://example.com"}},
			}}
		}},
		"DestinationRule": {"phi-inferencepool-epp", func() client.Object { return &route.DestinationRule{} }, func(o client.Object) {
			o.(*route.DestinationRule).Spec.TrafficPolicy.TLS.Mode = "DISABLE"
		}},
		"Certificate": {"phi-inferencepool-epp-tls", func() client.Object { return &route.Certificate{} }, func(o client.Object) {
			o.(*route.Certificate).Spec.DNSNames = []string{"example.com"}
		}},
		"ConfigMap": {"phi-inferencepool-epp-tls", func() client.Object { return &corev1.ConfigMap{} }, func(o client.Object) {
			o.(*corev1.ConfigMap).Data[route.AuthorityKey] = "nobody"
		}},
	}
}

func driftOf(kind string) func(*scene) {
	return func(s *scene) {
		target := routeTargets()[kind]
		s.workspace("phi", offered())
		s.expect("phi", "RouteReady=False GatewayNotFound")
		s.until(func() error {
			if !s.get(target.object(), target.name) {
				return errors.New(target.name + " is not there")
			}
			return nil
		})
		drift(s, target)
	}
}

func routeStrangers() map[string]client.Object {
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
	return map[string]client.Object{
		"HTTPRoute":       &gatewayv1.HTTPRoute{ObjectMeta: named("phi-inferencepool")},
		"DestinationRule": &route.DestinationRule{ObjectMeta: named("phi-inferencepool-epp"), Spec: route.DestinationRuleSpec{Host: "other"}},
		"ConfigMap":       &corev1.ConfigMap{ObjectMeta: named("phi-inferencepool-epp-tls")},
		"Secret":          &corev1.Secret{ObjectMeta: named("phi-inferencepool-epp-tls")},
	}
}

// routeTaken: what somebody else made stays as it is, the model serves without a route, and gets one when the name is free.
func routeTaken(s *scene, object client.Object) {
	s.t.Helper()
	s.node("a", 1)
	s.gatewayClass()
	s.gateway(s.proxy())
	object.SetNamespace(s.namespace)
	s.create(object)
	mark := s.mark(s.t)
	ws := s.workspace("phi", offered())
	s.expect("phi", "RouteReady=False NameTaken: "+object.GetName()+" exists and belongs to ", "!Stalled")
	s.allButRoute("phi")
	s.expect("phi", "Ready=False NameTaken")
	s.Expect(s.operatorRequests(s.t, mark, s.writes(object))).To(gomega.BeEmpty(), "the object is left as it is")
	s.step("the name is free")
	s.Expect(s.Delete(s.t.Context(), object)).To(gomega.Succeed())
	s.within(takenPatience, func() error {
		if !s.get(object, object.GetName()) || !metav1.IsControlledBy(object, ws) {
			return errors.New("the operator has not made its own")
		}
		return nil
	})
}
