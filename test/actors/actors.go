// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package actors moves what kubelets, source-controller and helm-controller would move, on an API server without nodes
// and without Flux: status of Deployments and StatefulSets, OCIRepositories with artifact, HelmReleases with history and
// digest, and what Helm would have installed. How long each takes, and what never ends, is up to the caller. The order of
// writes is the one that Flux was seen to keep.
package actors

import (
	"context"
	"fmt"
	"sync"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// Fate is what becomes of a Workspace's pods and release.
type Fate string

// The fates.
const (
	// Succeeds: everything becomes ready after its delay.
	Succeeds Fate = ""
	// Hangs: pods and release never say anything.
	Hangs Fate = "Hangs"
	// Fails: the release says that its install failed.
	Fails Fate = "Fails"
)

// Options say how the world moves.
type Options struct {
	// Workload, Source and Release are how long pods, the chart's download and Helm's install take.
	Workload, Source, Release time.Duration
	// Workers is how many objects are moved at once; default 20.
	Workers int
	// Fate decides over a Workspace by its name; nil lets all succeed.
	Fate func(workspace string) Fate
	// Moved is told after each write that makes a child of a Workspace ready; nil tells nobody. It must be quick.
	Moved func(workspace string, at time.Time)
}

// World is what moves.
type World struct {
	client  client.Client
	cache   cache.Cache
	options Options
	queue   workqueue.TypedDelayingInterface[item]

	mu    sync.Mutex
	dues  map[item]due
	tries map[item]int
	// acts are what is done about each kind.
	acts map[string]act
	// failures counts objects that were given up, released the HelmReleases that succeeded.
	failures int
	released map[types.NamespacedName]bool
}

// act moves one object and returns how long it must be left alone before it moves.
type act func(ctx context.Context, key types.NamespacedName) (time.Duration, error)

type item struct {
	kind string
	key  types.NamespacedName
}

// due is when an object of a generation moves.
type due struct {
	generation int64
	at         time.Time
}

// Scheme knows all that moves.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, v1beta1.AddToScheme, sourcev1.AddToScheme, helmv2.AddToScheme, inferencev1.Install,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering API types: %w", err)
		}
	}
	return scheme, nil
}

// Start lets Deployments and StatefulSets move until ctx ends. Flux moves when FollowFlux is called.
func Start(ctx context.Context, config *rest.Config, o Options) (*World, error) {
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.UserAgent = "scale-actors"
	writer, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("making the actors' client: %w", err)
	}
	reader, err := cache.New(config, cache.Options{
		Scheme:                       scheme,
		DefaultLabelSelector:         labels.SelectorFromSet(nil),
		DefaultTransform:             cache.TransformStripManagedFields(),
		DefaultUnsafeDisableDeepCopy: new(true),
	})
	if err != nil {
		return nil, fmt.Errorf("making the actors' cache: %w", err)
	}
	if o.Workers == 0 {
		o.Workers = 20
	}
	w := &World{
		client: writer, cache: reader, options: o, dues: map[item]due{}, tries: map[item]int{}, released: map[types.NamespacedName]bool{},
		queue: workqueue.NewTypedDelayingQueue[item](),
	}
	w.acts = map[string]act{
		"Deployment": w.moveDeployment, "StatefulSet": w.moveStatefulSet, "OCIRepository": w.moveRepository,
		"HelmRelease": w.moveRelease, "uninstall": w.uninstall,
	}
	go func() { _ = reader.Start(ctx) }()
	for range o.Workers {
		go w.work(ctx)
	}
	go func() {
		<-ctx.Done()
		w.queue.ShutDown()
	}()
	if err := w.follow(ctx, "Deployment", &appsv1.Deployment{}); err != nil {
		return nil, err
	}
	return w, w.follow(ctx, "StatefulSet", &appsv1.StatefulSet{})
}

// FollowFlux lets OCIRepositories and HelmReleases move too. Their CRDs must be there.
func (w *World) FollowFlux(ctx context.Context) error {
	if err := w.follow(ctx, "OCIRepository", &sourcev1.OCIRepository{}); err != nil {
		return err
	}
	return w.follow(ctx, "HelmRelease", &helmv2.HelmRelease{})
}

// Released is how many HelmReleases were made ready at least once.
func (w *World) Released() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.released)
}

// Failures is how many writes were given up.
func (w *World) Failures() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failures
}

func (w *World) follow(ctx context.Context, kind string, obj client.Object) error {
	informer, err := w.cache.GetInformer(ctx, obj)
	if err != nil {
		return fmt.Errorf("watching %s: %w", kind, err)
	}
	add := func(in any) {
		if obj, ok := in.(client.Object); ok && obj.GetLabels()[v1beta1.LabelWorkspace] != "" {
			w.queue.Add(item{kind: kind, key: client.ObjectKeyFromObject(obj)})
			if kind == "OCIRepository" {
				// The release of the same name waits for its chart.
				w.queue.Add(item{kind: "HelmRelease", key: client.ObjectKeyFromObject(obj)})
			}
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    add,
		UpdateFunc: func(_, in any) { add(in) },
		DeleteFunc: func(in any) {
			if obj, ok := in.(client.Object); ok && kind == "HelmRelease" {
				w.queue.Add(item{kind: "uninstall", key: client.ObjectKeyFromObject(obj)})
			}
		},
	})
	if err != nil {
		return fmt.Errorf("following %s: %w", kind, err)
	}
	return nil
}

func (w *World) work(ctx context.Context) {
	for {
		it, shutdown := w.queue.Get()
		if shutdown {
			return
		}
		wait, err := w.acts[it.kind](ctx, it.key)
		switch {
		case client.IgnoreNotFound(err) != nil:
			w.retry(it)
		case wait > 0:
			w.queue.AddAfter(it, wait)
		}
		w.queue.Done(it)
	}
}

// retry gives up after some tries: an object that cannot be moved must not hide behind a loop.
func (w *World) retry(it item) {
	const most = 10
	w.mu.Lock()
	w.tries[it]++
	tries := w.tries[it]
	if tries == most {
		w.failures++
	}
	w.mu.Unlock()
	if tries < most {
		w.queue.AddAfter(it, time.Duration(tries)*50*time.Millisecond)
	}
}

// wait is how long until an object of this generation moves, counted from when it was first seen.
func (w *World) wait(it item, generation int64, delay time.Duration) time.Duration {
	if delay == 0 {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	d, known := w.dues[it]
	if !known || d.generation != generation {
		d = due{generation: generation, at: time.Now().Add(delay)}
		w.dues[it] = d
	}
	return time.Until(d.at)
}

func (w *World) fate(workspace string) Fate {
	if w.options.Fate == nil {
		return Succeeds
	}
	return w.options.Fate(workspace)
}

// status writes a status by one merge patch.
func (w *World) status(ctx context.Context, obj client.Object, patch []byte) error {
	target, ok := obj.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("%T is no object", obj)
	}
	if err := w.client.Status().Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("writing status of %T %s: %w", obj, client.ObjectKeyFromObject(obj), err)
	}
	return nil
}

func (w *World) moved(obj client.Object) {
	if _, ok := obj.(*helmv2.HelmRelease); ok {
		w.mu.Lock()
		w.released[client.ObjectKeyFromObject(obj)] = true
		w.mu.Unlock()
	}
	if w.options.Moved != nil {
		w.options.Moved(obj.GetLabels()[v1beta1.LabelWorkspace], time.Now())
	}
}
