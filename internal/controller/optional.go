// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/workspace-operator/workspace-operator/internal/observe"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// syncTimeout is how long the objects of an API that has come get to be listed.
const syncTimeout = time.Minute

// settleInterval is how long after an API came or went Workspaces are told: those of one installation come together, and a
// look at each would cost every Workspace a reconcile.
const settleInterval = time.Second

// optionalAPIs follows the CustomResourceDefinitions that may be absent at start, come later, and go again: it starts the
// watch of each when it is served and drops it when it is not.
type optionalAPIs struct {
	mgr manager.Manager
	// routes caches what observe.IsRouting names.
	routes cluster.Cluster
	// watch starts the Workspace controller's watch of a kind; changed tells all Workspaces to look again.
	watch   func(cache.Cache, client.Object) error
	changed func()
	// certificates says that cert-manager is made use of: otherwise the operator may not watch its objects.
	certificates bool

	// changedAt is when the last one came or went of which Workspaces are to be told; zero if there is none. Only the one
	// worker knows it.
	changedAt time.Time

	mu      sync.RWMutex
	watched []string
}

// watchedKind is the kind whose objects are watched; nil if it only matters that they could be made.
func watchedKind(crd string) client.Object {
	switch crd {
	case observe.CRDInferenceObjective:
		return nil
	case observe.CRDOCIRepository:
		return &sourcev1.OCIRepository{}
	case observe.CRDHelmRelease:
		return &helmv2.HelmRelease{}
	case observe.CRDGateway:
		return &gatewayv1.Gateway{}
	case observe.CRDGatewayClass:
		return &gatewayv1.GatewayClass{}
	case observe.CRDHTTPRoute:
		return &gatewayv1.HTTPRoute{}
	case observe.CRDReferenceGrant:
		return &gatewayv1beta1.ReferenceGrant{}
	case observe.CRDBackendTLSPolicy:
		return &gatewayv1.BackendTLSPolicy{}
	case observe.CRDDestinationRule:
		return &route.DestinationRule{}
	case observe.CRDCertificate:
		return &route.Certificate{}
	default:
		return &inferencev1.InferencePool{}
	}
}

func (o *optionalAPIs) cacheOf(crd string) cache.Cache {
	if observe.IsRouting(crd) {
		return o.routes.GetCache()
	}
	return o.mgr.GetCache()
}

// current says what is served and watched.
func (o *optionalAPIs) current() observe.APIs {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return observe.APIsOf(o.watched)
}

// Reconcile compares what is served with what is watched.
func (o *optionalAPIs) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	served, err := observe.Served(ctx, o.mgr.GetCache())
	if err != nil {
		return ctrl.Result{}, err
	}
	before := o.list()
	err = o.follow(ctx, served)
	if !slices.Equal(before, o.list()) {
		o.changedAt = time.Now()
	}
	if meta.IsNoMatchError(err) {
		// Established a moment ago; discovery follows.
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if o.changedAt.IsZero() {
		return ctrl.Result{}, nil
	}
	if left := settleInterval - time.Since(o.changedAt); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	o.changedAt = time.Time{}
	o.changed()
	return ctrl.Result{}, nil
}

func (o *optionalAPIs) list() []string {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return slices.Clone(o.watched)
}

// follow starts and stops watches until exactly the served kinds are watched.
func (o *optionalAPIs) follow(ctx context.Context, served []string) error {
	served = slices.DeleteFunc(served, func(crd string) bool { return crd == observe.CRDCertificate && !o.certificates })
	for _, crd := range served {
		if slices.Contains(o.list(), crd) {
			continue
		}
		if err := o.begin(ctx, crd); err != nil {
			return err
		}
		log.FromContext(ctx).Info("API is served, watching it", "crd", crd)
		o.set(append(o.list(), crd))
	}
	for _, crd := range o.list() {
		if slices.Contains(served, crd) {
			continue
		}
		o.set(slices.DeleteFunc(o.list(), func(c string) bool { return c == crd }))
		if kind := watchedKind(crd); kind != nil {
			if err := o.cacheOf(crd).RemoveInformer(ctx, kind); err != nil {
				return fmt.Errorf("ending the watch of %s: %w", crd, err)
			}
		}
		log.FromContext(ctx).Info("API is no longer served", "crd", crd)
	}
	return nil
}

func (o *optionalAPIs) begin(ctx context.Context, crd string) error {
	kind := watchedKind(crd)
	if kind == nil {
		return nil
	}
	if err := indexOptional(ctx, o.cacheOf(crd), kind); err != nil {
		return err
	}
	if err := o.synced(ctx, crd, kind); err != nil {
		return err
	}
	if err := o.watch(o.cacheOf(crd), kind); err != nil {
		return fmt.Errorf("watching %s: %w", crd, err)
	}
	return nil
}

// synced waits until the objects of a kind are in the cache, before workers read it: one that waited for objects of an API
// that goes again would never end. Before the caches run it returns at once; they are waited for then.
func (o *optionalAPIs) synced(ctx context.Context, crd string, kind client.Object) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	if _, err := o.cacheOf(crd).GetInformer(ctx, kind); err != nil {
		// With the next try it gets its indexes anew, which it would not take twice.
		return errors.Join(fmt.Errorf("reading %s: %w", crd, err), o.cacheOf(crd).RemoveInformer(ctx, kind))
	}
	return nil
}

func (o *optionalAPIs) set(watched []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	slices.Sort(watched)
	o.watched = watched
}
