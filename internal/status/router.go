// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// Router is body-based routing at one Gateway.
type Router struct {
	Release *helmv2.HelmRelease
	// Deployment is what the release installed; nil if there is none.
	Deployment *appsv1.Deployment
	// Pods are the Deployment's. They are read only while something is wrong.
	Pods []*corev1.Pod
}

// Serves says that somebody answers the Gateway. One pod is enough, of whatever revision.
func (r Router) Serves() bool {
	return r.Deployment != nil && r.Deployment.Status.AvailableReplicas > 0
}

// Settled says that Flux takes the release for deployed and done.
func (r Router) Settled() bool {
	ready := readyOf(r.Release.Status.Conditions)
	return ready != nil && ready.Status == metav1.ConditionTrue && r.Release.Generation == r.Release.Status.ObservedGeneration
}

// deployed says that Flux has installed something.
func (r Router) deployed() bool {
	newest := r.Release.Status.History.Latest()
	return newest != nil && newest.Status == "deployed"
}

// Failing is what Flux says of a release that it cannot bring up to date; empty if it can.
func (r Router) Failing() string {
	ready := readyOf(r.Release.Status.Conditions)
	if ready == nil || ready.Status != metav1.ConditionFalse || transient(ready.Reason) {
		return ""
	}
	return r.quote(ready)
}

// quote has Flux's own words.
func (r Router) quote(ready *metav1.Condition) string {
	return fmt.Sprintf("HelmRelease %s/%s of body-based routing: %s: %s", r.Release.Namespace, r.Release.Name, ready.Reason, ready.Message)
}

// NeedsRepair says that Flux is done while nothing that it installed could ever answer the Gateway. Flux finds that by
// itself only at the release's interval.
func (r Router) NeedsRepair() bool {
	return r.Release != nil && r.Release.DeletionTimestamp == nil && !r.Release.Spec.Suspend && r.Settled() && r.lost() != ""
}

// lost is what is wrong with the Deployment that only Flux can set right; empty if nothing is.
func (r Router) lost() string {
	switch d := r.Deployment; {
	case d == nil:
		return "is missing"
	case d.Spec.Replicas != nil && *d.Spec.Replicas == 0:
		return "is scaled to 0"
	default:
		return ""
	}
}

// bodyRouter says whether somebody reads the model's name from the body. Without that no route matches, and the Gateway
// refuses all requests.
func bodyRouter(in Input, parent plan.Parent) verdict {
	if !in.Plan.Route.BodyBased {
		return verdict{}
	}
	name := parent.Namespace + "/" + plan.RouterName(parent.Name)
	router, found := in.Routing.router(parent)
	switch {
	case !found:
		return routeNot(v1beta1.ReasonBodyRoutingNotReady, "HelmRelease %s of body-based routing is not there yet", name)
	case router.Release.DeletionTimestamp != nil:
		return routeNot(v1beta1.ReasonBodyRoutingNotReady, "HelmRelease %s of body-based routing is being deleted; it is made again when it is gone", name)
	}
	if v := routerInstalled(in, router, name); v.status != "" {
		return v
	}
	return routerServes(router, name)
}

func (r Routing) router(parent plan.Parent) (Router, bool) {
	name := plan.RouterName(parent.Name)
	for _, router := range r.Routers {
		if router.Release.Namespace == parent.Namespace && router.Release.Name == name {
			return router, true
		}
	}
	return Router{}, false
}

// routerInstalled is what Flux says; without status if it is content.
func routerInstalled(in Input, router Router, name string) verdict {
	ready := readyOf(router.Release.Status.Conditions)
	switch {
	case ready != nil && ready.Status == metav1.ConditionTrue:
		return verdict{}
	// While Flux looks at it again, what it installed before counts.
	case ready != nil && (ready.Status == metav1.ConditionUnknown || transient(ready.Reason)) && (wasReady(in) || router.deployed()):
		return verdict{}
	// After an upgrade that failed, pods of before may well do what is asked of them: that a request has to show.
	case router.Failing() != "" && router.Serves():
		return verdict{}
	}
	if why := routerTrouble(router); why != "" {
		return routeNot(v1beta1.ReasonBodyRoutingNotReady, "body-based routing %s: %s", name, why)
	}
	if ready == nil {
		return routeNot(v1beta1.ReasonBodyRoutingNotReady, "HelmRelease %s of body-based routing is being installed", name)
	}
	return no(v1beta1.ConditionRouteReady, v1beta1.ReasonBodyRoutingNotReady, router.quote(ready))
}

// routerServes judges what was installed: a HelmRelease stays Ready for minutes after that is gone.
func routerServes(router Router, name string) verdict {
	const refuses = ": the Gateway refuses all requests"
	lost := router.lost()
	switch {
	case router.Serves():
		return verdict{}
	case lost != "" && router.Release.Spec.Suspend:
		return routeNot(v1beta1.ReasonBodyRoutingNotReady,
			"Deployment %s of body-based routing %s%s; helmrelease %s is suspended by its spec.suspend: nothing is repaired until it is false",
			name, lost, refuses, router.Release.Name)
	case lost != "":
		return routeNot(v1beta1.ReasonBodyRoutingNotReady, "Deployment %s of body-based routing %s%s; Flux was asked to repair it", name, lost, refuses)
	}
	why := routerTrouble(router)
	if why != "" {
		why = ": " + why
	}
	return routeNot(v1beta1.ReasonBodyRoutingNotReady, "Deployment %s of body-based routing has no available pod%s%s", name, refuses, why)
}

// routerTrouble is why pods do not serve, or are not made; empty if nobody says.
func routerTrouble(router Router) string {
	if t := worst(router.Pods); t.reason != "" && t.reason != v1beta1.ReasonLoadingModel {
		return t.message
	}
	if router.Deployment == nil {
		return ""
	}
	return notCreated([]*appsv1.Deployment{router.Deployment})
}
