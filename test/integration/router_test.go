// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

const routerNotReady = "RouteReady=False BodyBasedRoutingNotReady"

// TestBodyBasedRouting: what routes by the body at a Gateway is kept, and told of when it is not there.
func TestBodyBasedRouting(t *testing.T) { //nolint:tparallel // its parts follow each other
	t.Parallel()
	c := startCluster(t, slices.Concat(allCRDs(), gatewayCRDs(), []string{istioCRD()})...)
	operator := c.startOperator(t, gateOn()+"gateway: {bodyBasedRouting: {enabled: true}}\n")
	t.Run("all", func(t *testing.T) {
		for name, check := range map[string]func(*scene){
			"down":             routerDown,
			"pods":             routerPods,
			"budget":           routerBudget,
			"two Gateways":     twoRouters,
			"Gateway made new": gatewayAnew,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				check(newScene(t, c))
			})
		}
	})
	t.Run("Flux goes, and it is switched off", func(t *testing.T) {
		withoutFlux(newScene(t, c), operator)
	})
}

// atRouter is a Workspace whose requests a router at the Gateway reads, and the Gateway's proxy.
func atRouter(s *scene) *proxy {
	s.t.Helper()
	s.record.lenient = true
	s.node("a", 2)
	s.gatewayClass()
	p := s.proxy()
	s.gateway(p)
	s.workspace("phi", offered())
	s.allButRoute("phi")
	s.attached("phi")
	s.expect("phi", routerNotReady+": HelmRelease "+s.namespace+"/front-bbr of body-based routing is being installed", "!Stalled")
	s.routerDeploys("front-bbr")
	s.expect("phi", "RouteReady=True RouteReady", "Ready=True Ready")
	return p
}

// routerDeploys plays Flux until a router serves.
func (s *scene) routerDeploys(name string) {
	s.t.Helper()
	s.routerInstalls(name)
	s.routerRelease(name)
	s.routerServes(name)
}

// routerInstalls makes the Deployment that the chart renders, as it is after the HelmRelease's post-renderers.
func (s *scene) routerInstalls(name string) {
	s.t.Helper()
	s.changes()
	release := &helmv2.HelmRelease{}
	s.until(func() error {
		return s.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: name}, release)
	})
	values := struct {
		BBR struct {
			Name     string
			Replicas int32
		}
	}{}
	s.Expect(json.Unmarshal(release.Spec.Values.Raw, &values)).To(gomega.Succeed())
	d := &appsv1.Deployment{}
	s.Expect(yaml.Unmarshal([]byte(release.Spec.PostRenderers[0].Kustomize.Patches[0].Patch), d)).To(gomega.Succeed())
	s.Expect(d.Name).To(gomega.Equal(values.BBR.Name))
	app := map[string]string{"app": values.BBR.Name}
	maps.Copy(d.Labels, map[string]string{"helm.toolkit.fluxcd.io/name": name, "helm.toolkit.fluxcd.io/namespace": s.namespace})
	maps.Copy(d.Spec.Template.Labels, app)
	d.Namespace = s.namespace
	d.Spec.Replicas, d.Spec.Selector = &values.BBR.Replicas, &metav1.LabelSelector{MatchLabels: app}
	d.Spec.Template.Spec.Containers[0].Image = "bbr:v1"
	s.ensure(d)
}

// routerRelease is helm-controller that is done with a release.
func (s *scene) routerRelease(name string) {
	s.t.Helper()
	release := &helmv2.HelmRelease{}
	s.Expect(s.get(release, name)).To(gomega.BeTrue())
	s.status(release, func() {
		release.Status.ObservedGeneration = release.Generation
		meta.SetStatusCondition(&release.Status.Conditions, metav1.Condition{
			Type: "Ready", Status: metav1.ConditionTrue, Reason: "InstallSucceeded", ObservedGeneration: release.Generation,
		})
	})
}

// routerServes is the kubelet of a router's pods, until the Deployment is available.
func (s *scene) routerServes(name string) {
	s.t.Helper()
	s.until(func() error {
		if err := s.readyPods(v1beta1.LabelGateway, name); err != nil {
			return err
		}
		d := &appsv1.Deployment{}
		if !s.get(d, name) || d.Status.AvailableReplicas < *d.Spec.Replicas {
			return fmt.Errorf("%d pods of the router are available", d.Status.AvailableReplicas)
		}
		return nil
	})
}

// askedToRepair waits until Flux is asked to look at a router's release at once, and returns when that was.
func (s *scene) askedToRepair(name string) time.Time {
	s.t.Helper()
	var asked time.Time
	s.until(func() error {
		release := &helmv2.HelmRelease{}
		if !s.get(release, name) {
			return errors.New("there is no release")
		}
		var err error
		asked, err = time.Parse(time.RFC3339Nano, release.Annotations["reconcile.fluxcd.io/requestedAt"])
		return err
	})
	return asked
}

// routerDown: a HelmRelease says Ready, and what it installed is gone.
func routerDown(s *scene) {
	p := atRouter(s)
	requests := p.requests.Load()
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "front-bbr"}}
	s.step("somebody deletes it")
	mark := s.mark(s.t)
	s.Expect(s.Delete(s.t.Context(), deployment, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(gomega.Succeed())
	s.expect("phi", routerNotReady+": Deployment "+s.namespace+"/front-bbr of body-based routing is missing: the Gateway refuses all requests; Flux was asked to repair it",
		"Ready=False BodyBasedRoutingNotReady")
	asked := s.askedToRepair("front-bbr")
	s.writesStay(target{name: "front-bbr", object: func() client.Object { return &helmv2.HelmRelease{} }}, mark, 1, "Flux is asked once at a time")
	s.step("Flux repairs it")
	s.routerDeploys("front-bbr")
	s.expect("phi", "RouteReady=True RouteReady")
	s.Expect(p.requests.Load()).To(gomega.BeNumerically(">", requests), "what answers now is another one, and has to be proved")

	s.step("somebody scales it to nothing")
	s.Expect(s.get(deployment, "front-bbr")).To(gomega.BeTrue())
	s.edit(deployment, func() { deployment.Spec.Replicas = new(int32(0)) })
	s.expect("phi", routerNotReady+": Deployment "+s.namespace+"/front-bbr of body-based routing is scaled to 0")
	s.until(func() error {
		if again := s.askedToRepair("front-bbr"); !again.After(asked) {
			return errors.New("Flux is not asked again")
		}
		return nil
	})
	s.edit(deployment, func() { deployment.Spec.Replicas = new(int32(2)) })
	s.routerServes("front-bbr")
	s.expect("phi", "RouteReady=True RouteReady")

	s.step("it loses the label by which it is found")
	s.Expect(s.get(deployment, "front-bbr")).To(gomega.BeTrue())
	s.edit(deployment, func() { delete(deployment.Labels, v1beta1.LabelWorkspace) })
	s.expect("phi", routerNotReady+": is missing")
}

// routerPods: one of two is enough, and of none it is said why.
func routerPods(s *scene) {
	atRouter(s)
	s.step("one of two is not Ready")
	pods := s.pods(v1beta1.LabelGateway, "front-bbr")
	s.Expect(pods).To(gomega.HaveLen(2))
	down := func(pod *corev1.Pod) { s.status(pod, func() { waiting("ErrImagePull", "not found", nil)(pod) }) }
	unavailable := func(count int32) {
		s.until(func() error {
			d := &appsv1.Deployment{}
			if !s.get(d, "front-bbr") || d.Status.UnavailableReplicas != count {
				return fmt.Errorf("%d pods are not available", d.Status.UnavailableReplicas)
			}
			return nil
		})
	}
	down(pods[0])
	unavailable(1)
	s.Consistently(func() error { return compare(s.workspaceNow("phi"), "RouteReady=True RouteReady") }).WithTimeout(quiet).Should(gomega.Succeed())
	s.step("nor is the other")
	down(pods[1])
	unavailable(2)
	s.expect("phi", routerNotReady+": has no available pod: the Gateway refuses all requests: image bbr:v1 cannot be pulled: not found", "Ready=False BodyBasedRoutingNotReady")
	s.step("both are")
	s.routerServes("front-bbr")
	s.expect("phi", "RouteReady=True RouteReady")
}

// routerBudget: an eviction cannot take both pods, and the budget is the Gateway's.
func routerBudget(s *scene) {
	atRouter(s)
	kind := target{name: "front-bbr", object: func() client.Object { return &policyv1.PodDisruptionBudget{} }}
	budget := &policyv1.PodDisruptionBudget{}
	s.Expect(s.get(budget, kind.name)).To(gomega.BeTrue())
	s.Expect(metav1.GetControllerOf(budget).Kind).To(gomega.Equal("Gateway"))
	want := policyv1.PodDisruptionBudgetSpec{
		MaxUnavailable: new(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "front-bbr"}},
		UnhealthyPodEvictionPolicy: new(policyv1.AlwaysAllow),
	}
	if diff := cmp.Diff(want, budget.Spec); diff != "" {
		s.t.Errorf("budget (-want +have):\n%s", diff)
	}
	original := budget.DeepCopy()
	s.step("edited")
	mark := s.mark(s.t)
	s.edit(budget, func() { budget.Spec.MaxUnavailable = new(intstr.FromString("100%")) })
	s.repaired(kind, original, "edited")
	s.writesStay(kind, mark, 1, "edited")
	s.step("deleted")
	mark = s.mark(s.t)
	s.Expect(s.Delete(s.t.Context(), budget)).To(gomega.Succeed())
	s.repaired(kind, original, "deleted")
	s.writesStay(kind, mark, 1, "deleted")
}

// twoRouters: each of two Gateways in a namespace has its own, and what becomes of one concerns nobody at the other.
func twoRouters(s *scene) {
	p := atRouter(s)
	first := &gatewayv1.Gateway{}
	s.Expect(s.get(first, gatewayName)).To(gomega.BeTrue())
	second := &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "back"}, Spec: first.Spec}
	s.create(second)
	s.status(second, func() {
		second.Status.Addresses = first.Status.Addresses
		setConditions(&second.Status.Conditions, second.Generation, "Accepted=True Accepted", "Programmed=True Programmed")
	})
	// The same model: at another Gateway it is no conflict.
	s.workspace("psi", func(ws *v1beta1.Workspace) {
		ws.Inference.Gateway = &v1beta1.GatewaySpec{ParentRefs: []v1beta1.GatewayReference{{Name: "back"}}}
	})
	s.allButRoute("psi")
	s.attached("psi")
	s.routerDeploys("back-bbr")
	s.expect("psi", "RouteReady=True RouteReady")
	for _, name := range []string{"front", "back"} {
		release := &helmv2.HelmRelease{}
		s.Expect(s.get(release, name+"-bbr")).To(gomega.BeTrue())
		s.Expect(string(release.Spec.Values.Raw)).To(gomega.ContainSubstring(`"inferenceGateway":{"name":"` + name + `"}`))
		s.Expect(s.get(&gatewayv1.HTTPRoute{}, name+"-bbr-models")).To(gomega.BeTrue())
	}
	s.step("one of them goes down")
	requests := p.requests.Load()
	s.Expect(s.Delete(s.t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "back-bbr"}})).To(gomega.Succeed())
	s.expect("psi", routerNotReady)
	s.expect("phi", "RouteReady=True RouteReady")
	s.Expect(p.requests.Load()).To(gomega.Equal(requests), "nothing is to be proved anew")
	s.step("its Gateway goes")
	s.Expect(s.Delete(s.t.Context(), second)).To(gomega.Succeed())
	for _, obj := range routerObjects() {
		s.gone(obj, "back-bbr")
		s.Expect(s.get(obj, "front-bbr")).To(gomega.BeTrue())
	}
	s.expect("psi", "RouteReady=False GatewayNotFound")
	s.expect("phi", "RouteReady=True RouteReady")
}

func routerObjects() []client.Object {
	return []client.Object{&sourcev1.OCIRepository{}, &helmv2.HelmRelease{}, &policyv1.PodDisruptionBudget{}}
}

// gatewayAnew: a Gateway that is deleted takes its router along, and one of the same name gets its own.
func gatewayAnew(s *scene) {
	p := atRouter(s)
	g := &gatewayv1.Gateway{}
	s.Expect(s.get(g, gatewayName)).To(gomega.BeTrue())
	release := &helmv2.HelmRelease{}
	s.Expect(s.get(release, "front-bbr")).To(gomega.BeTrue())
	s.edit(release, func() { release.Finalizers = []string{"finalizers.fluxcd.io"} })
	s.step("the Gateway is deleted, and Flux begins to uninstall")
	s.Expect(s.Delete(s.t.Context(), g)).To(gomega.Succeed())
	s.until(func() error {
		if s.get(release, "front-bbr"); release.DeletionTimestamp == nil {
			return errors.New("the release is not being deleted")
		}
		return nil
	})
	s.step("a Gateway of that name comes")
	s.gateway(p)
	s.expect("phi", routerNotReady+": HelmRelease "+s.namespace+"/front-bbr of body-based routing is being deleted; it is made again when it is gone")
	s.step("Flux has uninstalled")
	s.Expect(s.Delete(s.t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "front-bbr"}})).To(gomega.Succeed())
	s.gone(&appsv1.Deployment{}, "front-bbr")
	s.get(release, "front-bbr")
	s.edit(release, func() { release.Finalizers = nil })
	s.belongsToGateway()
	s.routerDeploys("front-bbr")
	s.expect("phi", "RouteReady=True RouteReady")

	s.step("deleted and made anew in one go")
	s.Expect(s.get(g, gatewayName)).To(gomega.BeTrue())
	s.Expect(s.Delete(s.t.Context(), g)).To(gomega.Succeed())
	s.gateway(p)
	s.belongsToGateway()
	s.routerDeploys("front-bbr")
	s.expect("phi", "RouteReady=True RouteReady")
}

// belongsToGateway waits until all of the router is there for good and belongs to the Gateway that there is.
func (s *scene) belongsToGateway() {
	s.t.Helper()
	calm := 0
	s.until(func() error {
		calm++
		g := &gatewayv1.Gateway{}
		if !s.get(g, gatewayName) {
			return errors.New("there is no Gateway")
		}
		for _, obj := range routerObjects() {
			if !s.get(obj, "front-bbr") || obj.GetDeletionTimestamp() != nil || !metav1.IsControlledBy(obj, g) {
				calm = 0
				return fmt.Errorf("%T is of %v", obj, obj.GetOwnerReferences())
			}
		}
		if calm < 10 {
			return fmt.Errorf("so for %d looks only", calm)
		}
		return nil
	})
}

// withoutFlux: its absence is told, takes nothing away, and does not keep what is not wanted any more.
func withoutFlux(s *scene, operator *child) {
	atRouter(s)
	s.step("Flux goes")
	s.remove("helmreleases.helm.toolkit.fluxcd.io")
	s.expect("phi", "InferencePoolReady=False CRDNotFound: helmreleases.helm.toolkit.fluxcd.io", "Ready=False CRDNotFound", routerNotReady, "!Stalled")
	s.Expect(s.get(&gatewayv1.HTTPRoute{}, "front-bbr-models")).To(gomega.BeTrue())
	s.Expect(s.get(&policyv1.PodDisruptionBudget{}, "front-bbr")).To(gomega.BeTrue())
	s.Expect(operator.ended()).To(gomega.BeFalse())
	s.step("body-based routing is switched off meanwhile")
	s.Expect(operator.stop()).To(gomega.Succeed())
	operator = s.startOperator(s.t, gateOn())
	s.gone(&gatewayv1.HTTPRoute{}, "front-bbr-models")
	s.gone(&policyv1.PodDisruptionBudget{}, "front-bbr")
	s.step("Flux comes back")
	s.install(fluxCRDs()[1])
	s.gone(&sourcev1.OCIRepository{}, "front-bbr")
	s.fluxDeploys("phi")
	s.matching("phi", "/")
	s.attached("phi")
	s.expect("phi", "RouteReady=True RouteReady", "Ready=True Ready")
	s.step("and on again")
	s.Expect(operator.stop()).To(gomega.Succeed())
	s.startOperator(s.t, gateOn()+"gateway: {bodyBasedRouting: {enabled: true}}\n")
	s.matching("phi", "/ X-Gateway-Model-Name=phi-4-mini-instruct")
	s.attached("phi")
	s.routerDeploys("front-bbr")
	s.expect("phi", "RouteReady=True RouteReady")
}

// matching waits until a Workspace's route takes certain requests.
func (s *scene) matching(workspace string, want ...string) {
	s.t.Helper()
	s.until(func() error {
		if have := matches(s.route(workspace)); !slices.Equal(want, have) {
			return fmt.Errorf("the route matches %v", have)
		}
		return nil
	})
}
