// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/accelerator"
	"github.com/workspace-operator/workspace-operator/internal/apply"
	"github.com/workspace-operator/workspace-operator/internal/modellist"
	"github.com/workspace-operator/workspace-operator/internal/observe"
	"github.com/workspace-operator/workspace-operator/internal/preset"
)

// +kubebuilder:rbac:groups=kaito.sh,resources=workspaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=kaito.sh,resources=workspaces/status,verbs=get;patch
// +kubebuilder:rbac:groups=kaito.sh,resources=workspaces/finalizers,verbs=update
// +kubebuilder:rbac:groups=apps,resources=deployments;statefulsets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;create
// +kubebuilder:rbac:groups="",resources=nodes;configmaps,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=get;list;watch
// +kubebuilder:rbac:groups=source.toolkit.fluxcd.io,resources=ocirepositories,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=helm.toolkit.fluxcd.io,resources=helmreleases,verbs=get;list;watch;create;patch;delete
// A pool is patched only to have a gateway look at it again.
// +kubebuilder:rbac:groups=inference.networking.k8s.io,resources=inferencepools,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=gateways;gatewayclasses,verbs=get;list;watch
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=httproutes;backendtlspolicies,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=referencegrants,verbs=get;list;watch
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,namespace=system,resources=referencegrants,verbs=create;patch
// +kubebuilder:rbac:groups=networking.istio.io,resources=destinationrules,verbs=get;list;watch;create;patch;delete
// What gateways verify Endpoint Pickers by, and the certificates themselves. Secrets are written and never read; which ones
// may be written an admission policy of the chart says.
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=create;patch;delete
// +kubebuilder:rbac:groups="",resources=secrets,verbs=create;patch;delete
// What cert-manager makes instead, where that is configured: the chart leaves out what is not needed of the two.
// +kubebuilder:rbac:groups=cert-manager.io,resources=certificates,verbs=get;list;watch;create;patch;delete
// The certificate authority.
// +kubebuilder:rbac:groups="",namespace=system,resources=secrets,verbs=create
// +kubebuilder:rbac:groups="",namespace=system,resources=secrets,resourceNames=workspace-operator-ca,verbs=get;update
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=system,resources=leases,verbs=get;create;update
// The election of the leader still records events of the old API.
// +kubebuilder:rbac:groups="",namespace=system,resources=events,verbs=create;patch
// Whoever scrapes /metrics is authenticated and authorized by the API server.
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// Options are what Setup needs beside the manager.
type Options struct {
	// Config has its defaults and is valid.
	Config    configv1alpha1.Configuration
	Presets   preset.Catalogue
	Instances accelerator.Table
	// Namespace is the operator's own: preset ConfigMaps are read there.
	Namespace string
	// Workers is how many Workspaces are reconciled at once.
	Workers int
	// ModelsAddress is where the list of models is served; empty serves none.
	ModelsAddress string
}

// Setup adds the controllers to the manager: of Workspaces, of presets, and of the optional APIs.
func Setup(ctx context.Context, mgr manager.Manager, o Options) error {
	all, gateways := make(chan event.GenericEvent, 1), make(chan event.GenericEvent, 1)
	changed := func() {
		lookAgain(all)
		lookAgain(gateways)
	}
	routes, err := newRoutingCache(mgr)
	if err != nil {
		return err
	}
	apis := &optionalAPIs{mgr: mgr, routes: routes, changed: changed, certificates: o.Config.Gateway.TLS.CertManager != nil}
	presets := newCatalogue(o.Presets, mgr.GetCache(), o.Namespace, changed)
	r := newReconciler(mgr, observe.New(mgr.GetClient(), routes.GetCache(), o.Config, o.Instances), presets, apis,
		mgr.GetEventRecorder("workspace-controller"))
	r.gateway = o.Config.Gateway
	r.authorities = &authorities{client: mgr.GetClient(), live: mgr.GetAPIReader(), namespace: o.Namespace, changed: changed}
	if err := errors.Join(r.addServers(mgr, o), indexAll(ctx, mgr, o), r.followStatus(ctx, mgr), r.measure(ctx, mgr)); err != nil {
		return err
	}
	c, err := r.build(mgr, o, all)
	if err != nil {
		return fmt.Errorf("building the Workspace controller: %w", err)
	}
	g := &routers{
		client: mgr.GetClient(), routes: routes.GetCache(), applier: r.applier, apis: apis, metrics: r.metrics, config: o.Config, namespace: o.Namespace,
		strangers: r.strangers,
	}
	routing, err := g.build(mgr, gateways, r.witnessOf(mgr, &policyv1.PodDisruptionBudget{}).ofOthers())
	if err != nil {
		return fmt.Errorf("building the controller of body-based routing: %w", err)
	}
	apis.watch = func(from cache.Cache, obj client.Object) error {
		if err := c.Watch(source.Kind(from, obj, r.optionalHandler(mgr, obj), newChanges())); err != nil || !concernsRouters(obj) {
			return err
		}
		mine := forgetting{EventHandler: handler.EnqueueRequestsFromMapFunc(g.gatewaysOf), witness: r.witnessOf(mgr, obj).ofOthers()}
		return routing.Watch(source.Kind(from, obj, mine, newChanges()))
	}
	if err := apis.start(ctx); err != nil {
		return err
	}
	return setupHelpers(mgr, o, apis, presets)
}

// lookAgain tells everything that a channel is for.
func lookAgain(everything chan<- event.GenericEvent) {
	select {
	case everything <- event.GenericEvent{Object: &v1beta1.Workspace{}}:
	default: // one that is waiting already covers this change
	}
}

// addServers adds what works beside the controllers.
func (r *Reconciler) addServers(mgr manager.Manager, o Options) error {
	if err := mgr.Add(r.prober); err != nil {
		return fmt.Errorf("adding the prober: %w", err)
	}
	if !o.Config.Gateway.BodyBasedRouting.Enabled || o.ModelsAddress == "" {
		return nil
	}
	if err := mgr.Add(&modellist.Server{Address: o.ModelsAddress, Workspaces: mgr.GetClient()}); err != nil {
		return fmt.Errorf("adding the list of models: %w", err)
	}
	return nil
}

// newRoutingCache adds the cache of Gateways, their classes, HTTPRoutes and DestinationRules to the manager.
func newRoutingCache(mgr manager.Manager) (cluster.Cluster, error) {
	routes, err := cluster.New(mgr.GetConfig(), func(o *cluster.Options) {
		o.Scheme = mgr.GetScheme()
		o.Cache = observe.RoutingCacheOptions(func(trim func(client.Object)) toolscache.TransformFunc {
			return apply.Ingest(v1beta1.ManagedBy, trim)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("creating the cache of routes: %w", err)
	}
	if err := mgr.Add(routes); err != nil {
		return nil, fmt.Errorf("adding the cache of routes: %w", err)
	}
	return routes, nil
}

func indexAll(ctx context.Context, mgr manager.Manager, o Options) error {
	for _, kind := range append(ownKinds(), &corev1.Pod{}, &corev1.ConfigMap{}) {
		if err := index(ctx, mgr.GetCache(), kind); err != nil {
			return err
		}
	}
	if err := indexConfigs(ctx, mgr); err != nil {
		return err
	}
	return indexGateways(ctx, mgr, o.Config.Gateway)
}

// CacheOptions are those that the manager must be created with.
func CacheOptions() (cache.Options, error) {
	return observe.CacheOptions(func(trim func(client.Object)) toolscache.TransformFunc {
		return apply.Ingest(v1beta1.ManagedBy, trim)
	})
}

// ownKinds are the kinds that we write and that every cluster has.
func ownKinds() []client.Object {
	return []client.Object{&appsv1.Deployment{}, &appsv1.StatefulSet{}, &corev1.Service{}, &policyv1.PodDisruptionBudget{}}
}

// start looks once before the caches run, so that the first reconcile of each Workspace knows what is served.
func (o *optionalAPIs) start(ctx context.Context) error {
	served, err := observe.Served(ctx, o.mgr.GetAPIReader())
	if err != nil {
		return err
	}
	return o.follow(ctx, served)
}

func (r *Reconciler) build(mgr manager.Manager, o Options, all <-chan event.GenericEvent) (controller.Controller, error) {
	b := ctrl.NewControllerManagedBy(mgr).
		Named("workspace").
		WithOptions(controller.Options{MaxConcurrentReconciles: o.Workers}).
		For(&v1beta1.Workspace{}, ctrlPredicates()).
		WatchesRawSource(source.Channel(all, background{handler.EnqueueRequestsFromMapFunc(r.everyWorkspace)})).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(workspaceOf), changed()).
		Watches(&corev1.Pod{}, background{handler.EnqueueRequestsFromMapFunc(r.workspacesOfInstalled)}, changed()).
		Watches(&appsv1.Deployment{}, background{handler.EnqueueRequestsFromMapFunc(r.workspacesOfInstalled)}, changed()).
		Watches(&corev1.Node{}, background{handler.EnqueueRequestsFromMapFunc(r.workspacesOnNode)}, changed()).
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.workspacesWithConfig), changed()).
		Watches(&corev1.ConfigMap{}, r.childHandler(mgr, &corev1.ConfigMap{}), changed()).
		Watches(&v1beta1.Workspace{}, handler.EnqueueRequestsFromMapFunc(r.rivals), claimsMove()).
		WatchesRawSource(source.Channel(r.strangers.news, background{handler.EnqueueRequestsFromMapFunc(r.workspacesAtGateway)})).
		WatchesRawSource(source.Channel(r.prober.results, &handler.EnqueueRequestForObject{}))
	for _, kind := range ownKinds() {
		b = b.Watches(kind, r.childHandler(mgr, kind), changed())
	}
	return b.Build(r)
}

// setupHelpers adds the small controllers whose only work is to keep what all Workspaces read.
func setupHelpers(mgr manager.Manager, o Options, apis *optionalAPIs, presets *catalogue) error {
	one := func(context.Context, client.Object) []ctrl.Request { return []ctrl.Request{{}} }
	optional := predicate.NewPredicateFuncs(func(obj client.Object) bool {
		_, ok := observe.OptionalAPIs()[obj.GetName()]
		return ok
	})
	err := ctrl.NewControllerManagedBy(mgr).Named("optional-apis").
		Watches(&apiextensionsv1.CustomResourceDefinition{}, handler.EnqueueRequestsFromMapFunc(one), filtered(optional)).
		Complete(apis)
	if err != nil {
		return fmt.Errorf("building the controller of optional APIs: %w", err)
	}
	ours := predicate.NewPredicateFuncs(func(obj client.Object) bool {
		return obj.GetNamespace() == o.Namespace && obj.GetLabels()[v1beta1.LabelPreset] == "true"
	})
	err = ctrl.NewControllerManagedBy(mgr).Named("presets").
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(one), filtered(ours)).
		Complete(presets)
	if err != nil {
		return fmt.Errorf("building the controller of presets: %w", err)
	}
	return nil
}
