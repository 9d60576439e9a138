// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/apply"
	"github.com/workspace-operator/workspace-operator/internal/observe"
)

// byConfig is the index of Workspaces over the ConfigMap that inference.config names.
const byConfig = "inference.config"

// installInterval is how long an object that Flux installs waits for those that come with it.
const installInterval = 100 * time.Millisecond

// index indexes a kind over the Workspaces that its objects belong to. It is what IndexField does, under the name and the
// keys that List looks for, without the second entry of each object for lists of all namespaces, which nobody asks for: an
// entry is a map, and they would be the largest part of what a small object costs.
func index(ctx context.Context, informers cache.Informers, kind client.Object) error {
	informer, err := informers.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watching %T: %w", kind, err)
	}
	err = informer.AddIndexers(toolscache.Indexers{"field:" + observe.ByWorkspace: func(in any) ([]string, error) {
		obj, ok := in.(client.Object)
		if !ok {
			return nil, nil
		}
		workspaces := observe.IndexedBy(obj)
		for i, name := range workspaces {
			workspaces[i] = obj.GetNamespace() + "/" + name
		}
		return workspaces, nil
	}})
	if err != nil {
		return fmt.Errorf("indexing %T: %w", kind, err)
	}
	return nil
}

// followStatus tells the status writer what the cache shows.
func (r *Reconciler) followStatus(ctx context.Context, mgr manager.Manager) error {
	informer, err := mgr.GetCache().GetInformer(ctx, &v1beta1.Workspace{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watching Workspaces: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{UpdateFunc: func(_, in any) {
		if ws, ok := in.(*v1beta1.Workspace); ok {
			r.statuses.see(ws)
		}
	}})
	if err != nil {
		return fmt.Errorf("following Workspaces: %w", err)
	}
	return nil
}

func indexConfigs(ctx context.Context, mgr manager.Manager) error {
	err := mgr.GetFieldIndexer().IndexField(ctx, &v1beta1.Workspace{}, byConfig, func(obj client.Object) []string {
		if ws := obj.(*v1beta1.Workspace); ws.Inference != nil && ws.Inference.Config != "" {
			return []string{ws.Inference.Config}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("indexing Workspaces: %w", err)
	}
	return nil
}

// changes lets through updates that change what is kept of an object; a heartbeat, or a resync, changes nothing.
type changes struct {
	predicate.Funcs
	digests *apply.Digester
}

func newChanges() predicate.Predicate { return changes{digests: apply.NewDigester(v1beta1.ManagedBy)} }

func (c changes) Update(e event.UpdateEvent) bool {
	if e.ObjectOld.GetResourceVersion() == e.ObjectNew.GetResourceVersion() {
		return false
	}
	return !c.digests.Same(e.ObjectOld, e.ObjectNew)
}

func changed() builder.WatchesOption { return builder.WithPredicates(newChanges()) }

func filtered(p predicate.Predicate) builder.WatchesOption {
	return builder.WithPredicates(predicate.And(p, newChanges()))
}

// ctrlPredicates: our own status patches are no news.
func ctrlPredicates() builder.ForOption {
	return builder.WithPredicates(predicate.Or(
		predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, deletionStarted()))
}

func deletionStarted() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetDeletionTimestamp().IsZero() && !e.ObjectNew.GetDeletionTimestamp().IsZero()
	}}
}

// background lets Workspaces that changed themselves, or whose children did, go first: what concerns all Workspaces of a
// cluster at once must not hold back the one that somebody just applied.
type background struct{ handler.EventHandler }

func (b background) Create(ctx context.Context, e event.CreateEvent, q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
	b.EventHandler.Create(ctx, e, later(q))
}

func (b background) Update(ctx context.Context, e event.UpdateEvent, q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
	b.EventHandler.Update(ctx, e, later(q))
}

func (b background) Delete(ctx context.Context, e event.DeleteEvent, q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
	b.EventHandler.Delete(ctx, e, later(q))
}

func (b background) Generic(ctx context.Context, e event.GenericEvent, q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
	b.EventHandler.Generic(ctx, e, later(q))
}

// later is q, but what is added has low priority.
func later(q workqueue.TypedRateLimitingInterface[ctrl.Request]) workqueue.TypedRateLimitingInterface[ctrl.Request] {
	return adding(q, priorityqueue.AddOpts{Priority: new(handler.LowPriority)})
}

// adding is q, but what is added is so with these options.
func adding(q workqueue.TypedRateLimitingInterface[ctrl.Request], opts priorityqueue.AddOpts) workqueue.TypedRateLimitingInterface[ctrl.Request] {
	if p, ok := q.(priorityqueue.PriorityQueue[ctrl.Request]); ok {
		return withOptions{p, opts}
	}
	return q
}

type withOptions struct {
	priorityqueue.PriorityQueue[ctrl.Request]
	opts priorityqueue.AddOpts
}

func (w withOptions) Add(req ctrl.Request) { w.AddWithOpts(w.opts, req) }

func workspaceOf(_ context.Context, obj client.Object) []ctrl.Request {
	name := observe.WorkspaceOf(obj)
	if name == "" {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: obj.GetNamespace(), Name: name}}}
}

// forgetting tells the applier of deletions before the Workspace looks, so that a child that somebody deleted is not
// taken for one that the cache has not shown yet.
type forgetting struct {
	handler.EventHandler
	witness witness
}

// Create: what Flux installs comes together, and its statuses right after. One look at all of it is enough.
func (f forgetting) Create(ctx context.Context, e event.CreateEvent, q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
	if metav1.GetControllerOf(e.Object) == nil {
		q = adding(q, priorityqueue.AddOpts{After: installInterval})
	}
	f.EventHandler.Create(ctx, e, q)
}

// Update: a child that somebody gave the label of another Workspace is gone for the one that made it.
func (f forgetting) Update(ctx context.Context, e event.UpdateEvent, q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
	if observe.WorkspaceOf(e.ObjectOld) != observe.WorkspaceOf(e.ObjectNew) {
		// Unless it is our own repair that comes in: a reconcile that began before must not write it once more.
		if !f.witness.wrote(e.ObjectNew) {
			f.witness.gone(e.ObjectOld)
		}
	} else {
		f.witness.edited(e.ObjectOld, e.ObjectNew)
	}
	f.EventHandler.Update(ctx, e, q)
}

func (f forgetting) Delete(ctx context.Context, e event.DeleteEvent, q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
	f.witness.gone(e.Object)
	f.EventHandler.Delete(ctx, e, q)
}

func (r *Reconciler) childHandler(mgr manager.Manager, kind client.Object) handler.EventHandler {
	return forgetting{EventHandler: handler.EnqueueRequestsFromMapFunc(workspaceOf), witness: r.witnessOf(mgr, kind)}
}

func (r *Reconciler) everyWorkspace(ctx context.Context, _ client.Object) []ctrl.Request {
	return r.requests(ctx, func(*v1beta1.Workspace) bool { return true })
}

// workspacesOnNode are those that may use a node. Called for the node as it was and as it is.
func (r *Reconciler) workspacesOnNode(ctx context.Context, obj client.Object) []ctrl.Request {
	node, ok := obj.(*corev1.Node)
	if !ok {
		return nil
	}
	return r.requests(ctx, func(ws *v1beta1.Workspace) bool {
		if ws.Resource.LabelSelector == nil {
			return true
		}
		selector, err := metav1.LabelSelectorAsSelector(ws.Resource.LabelSelector)
		return err == nil && selector.Matches(labels.Set(node.Labels))
	})
}

func (r *Reconciler) workspacesWithConfig(ctx context.Context, obj client.Object) []ctrl.Request {
	return r.requests(ctx, func(*v1beta1.Workspace) bool { return true },
		client.InNamespace(obj.GetNamespace()), client.MatchingFields{byConfig: obj.GetName()})
}

func (r *Reconciler) requests(ctx context.Context, which func(*v1beta1.Workspace) bool, opts ...client.ListOption) []ctrl.Request {
	list := &v1beta1.WorkspaceList{}
	if err := r.client.List(ctx, list, opts...); err != nil {
		log.FromContext(ctx).Error(err, "listing Workspaces that an event concerns")
		return nil
	}
	var out []ctrl.Request
	for i := range list.Items {
		if which(&list.Items[i]) {
			out = append(out, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return out
}
