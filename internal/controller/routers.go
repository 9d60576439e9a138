// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/apply"
	"github.com/workspace-operator/workspace-operator/internal/metrics"
	"github.com/workspace-operator/workspace-operator/internal/observe"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/pool"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// routers keeps body-based routing at each Gateway that Workspaces are offered at: one for all of them, which belongs to
// the Gateway and goes with the last Workspace.
type routers struct {
	client  client.Client
	routes  client.Reader
	applier *apply.Applier
	apis    *optionalAPIs
	metrics *metrics.Metrics
	config  configv1alpha1.Configuration
	// namespace is the operator's own, where the list of models is served.
	namespace string
	strangers *strangers
}

func (g *routers) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	served := g.apis.current()
	if !served.Routes() {
		return ctrl.Result{}, nil
	}
	gateway := &gatewayv1.Gateway{}
	if err := g.routes.Get(ctx, req.NamespacedName, gateway); err != nil {
		// What belongs to a Gateway that is gone is collected.
		g.strangers.tell(ctx, req.NamespacedName, "")
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	workspaces, err := g.workspaces(ctx, gateway)
	if err != nil {
		return ctrl.Result{}, err
	}
	// What is missing the Workspaces say. What is not wanted any more goes all the same.
	if len(workspaces) > 0 && (!served.Grants() || !served.Flux) {
		return ctrl.Result{}, nil
	}
	cached, err := g.cached(ctx, gateway, served)
	if err != nil {
		return ctrl.Result{}, err
	}
	var wanted []client.Object
	if len(workspaces) > 0 {
		if wanted, err = g.render(gateway, workspaces); err != nil {
			return ctrl.Result{}, reconcile.TerminalError(err)
		}
	}
	again, err := g.apply(ctx, req.NamespacedName, wanted, cached)
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := g.remove(ctx, gateway, cached, wanted); err != nil || len(wanted) == 0 {
		return ctrl.Result{}, err
	}
	repair, err := g.repair(ctx, gateway)
	return ctrl.Result{RequeueAfter: jitter(sooner(again, repair))}, err
}

// apply writes what is wanted at a Gateway. What cannot be written of the router does not keep back the list of models, nor
// the other way round. It returns when to look again for a name that somebody else has.
func (g *routers) apply(ctx context.Context, gateway types.NamespacedName, wanted, cached []client.Object) (time.Duration, error) {
	isRouter := func(obj client.Object) bool { return !isModelList(obj) }
	routerErr := g.applyAll(ctx, slices.DeleteFunc(slices.Clone(wanted), isModelList), cached)
	listErr := g.applyAll(ctx, slices.DeleteFunc(slices.Clone(wanted), isRouter), cached)
	var again time.Duration
	stranger := ""
	if taken, ok := errors.AsType[*apply.TakenError](routerErr); ok {
		stranger = fmt.Sprintf("%s in namespace %s; it is left as it is: delete or rename it, and body-based routing is installed", taken, taken.Namespace)
		again, routerErr = takenInterval, nil
	}
	if taken, ok := errors.AsType[*apply.TakenError](listErr); ok {
		log.FromContext(ctx).Error(taken, "nothing leads to the list of models")
		again, listErr = takenInterval, nil
	}
	g.strangers.tell(ctx, gateway, stranger)
	return again, errors.Join(routerErr, listErr)
}

// applyAll writes objects of which each needs those before it.
func (g *routers) applyAll(ctx context.Context, wanted, cached []client.Object) error {
	for _, obj := range wanted {
		if _, err := g.applier.Apply(ctx, obj, find(cached, obj)); err != nil {
			return err
		}
	}
	return nil
}

// isModelList says that an object leads to the list of models; others belong to the router.
func isModelList(obj client.Object) bool {
	switch obj.(type) {
	case *gatewayv1.HTTPRoute, *gatewayv1beta1.ReferenceGrant:
		return true
	default:
		return false
	}
}

// render returns the router and what leads to the list of models, each after what it needs.
func (g *routers) render(gateway *gatewayv1.Gateway, workspaces []*v1beta1.Workspace) ([]client.Object, error) {
	owner := *metav1.NewControllerRef(gateway, schema.GroupVersion(gatewayv1.GroupVersion).WithKind("Gateway"))
	// It would need a right on the finalizers of Gateways.
	owner.BlockOwnerDeletion = nil
	router := plan.NewRouter(gateway.Namespace, gateway.Name, owner, g.config)
	router.OperatorNamespace = g.namespace
	router.Listeners = plan.ListenersOf(gateway.Namespace, gateway.Name, workspaces, g.config.Gateway.Default)
	flux, err := pool.RenderRouter(router)
	if err != nil {
		return nil, err
	}
	var objects []client.Object
	for _, obj := range flux {
		objects = append(objects, obj)
	}
	if gateway.Namespace != g.namespace {
		objects = append(objects, route.ModelGrant(router))
	}
	var hostnames []string
	for _, ws := range workspaces {
		hostnames = append(hostnames, plan.HostnamesOf(ws)...)
	}
	for _, list := range route.ModelList(router, hostnames) {
		objects = append(objects, list)
	}
	return objects, nil
}

// workspaces are those that are offered at a Gateway; none if nothing is to route there.
func (g *routers) workspaces(ctx context.Context, gateway *gatewayv1.Gateway) ([]*v1beta1.Workspace, error) {
	if !g.config.Gateway.BodyBasedRouting.Enabled || !g.config.FeatureGates.GatewayAPIInferenceExtension || gateway.DeletionTimestamp != nil {
		return []*v1beta1.Workspace{}, nil
	}
	list := &v1beta1.WorkspaceList{}
	if err := g.client.List(ctx, list, client.MatchingFields{observe.ByGateway: gateway.Namespace + "/" + gateway.Name}); err != nil {
		return nil, fmt.Errorf("listing Workspaces at Gateway %s/%s: %w", gateway.Namespace, gateway.Name, err)
	}
	var workspaces []*v1beta1.Workspace
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil {
			workspaces = append(workspaces, &list.Items[i])
		}
	}
	return workspaces, nil
}

// cached returns what the caches hold of the router of a Gateway and of its list of models, as far as their APIs are served.
func (g *routers) cached(ctx context.Context, gateway *gatewayv1.Gateway, served observe.APIs) ([]client.Object, error) {
	var found []client.Object
	key := types.NamespacedName{Namespace: gateway.Namespace, Name: plan.RouterName(gateway.Name)}
	grant := types.NamespacedName{Namespace: g.namespace, Name: g.config.Gateway.BodyBasedRouting.ModelsService + "-" + gateway.Namespace}
	for _, one := range []struct {
		from   client.Reader
		key    types.NamespacedName
		obj    client.Object
		served bool
	}{
		{g.client, key, &sourcev1.OCIRepository{}, served.Flux},
		{g.client, key, &helmv2.HelmRelease{}, served.Flux},
		{g.client, key, &policyv1.PodDisruptionBudget{}, true},
		{g.routes, grant, &gatewayv1beta1.ReferenceGrant{}, served.Grants()},
	} {
		if !one.served {
			continue
		}
		err := one.from.Get(ctx, one.key, one.obj)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading what belongs to the router %s: %w", key, err)
		}
		if err == nil {
			found = append(found, one.obj)
		}
	}
	lists := &gatewayv1.HTTPRouteList{}
	if err := g.routes.List(ctx, lists, client.InNamespace(gateway.Namespace), client.MatchingLabels{v1beta1.LabelGateway: key.Name}); err != nil {
		return nil, fmt.Errorf("listing the HTTPRoutes of the router %s: %w", key, err)
	}
	for i := range lists.Items {
		found = append(found, &lists.Items[i])
	}
	return found, nil
}

// remove deletes what belongs to the Gateway and is not wanted any more. The grant is for all Gateways of a namespace and
// stays: it allows a route to the list of models, and no more.
func (g *routers) remove(ctx context.Context, gateway *gatewayv1.Gateway, cached, wanted []client.Object) error {
	for _, obj := range cached {
		if !metav1.IsControlledBy(obj, gateway) || obj.GetDeletionTimestamp() != nil || find(wanted, obj) != nil {
			continue
		}
		if err := g.applier.Delete(ctx, obj); err != nil {
			return err
		}
	}
	return nil
}

func find(in []client.Object, like client.Object) client.Object {
	for _, obj := range in {
		if sameObject(obj, like) {
			return obj
		}
	}
	return nil
}
