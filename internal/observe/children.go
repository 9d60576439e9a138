// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// ByWorkspace is the index of every cached kind over IndexedBy.
const ByWorkspace = "workspace"

// WorkspaceOf is the name of the Workspace that an object belongs to by its labels; empty if none.
func WorkspaceOf(obj client.Object) string {
	labels := obj.GetLabels()
	if name := labels[v1beta1.LabelWorkspace]; name != "" {
		return name
	}
	return labels[v1beta1.LabelEndpointPicker]
}

// IndexedBy is the name of the Workspace that an object belongs to, or none. What has a usual name is found by that: an
// entry of an index takes as much memory as a small object.
func IndexedBy(obj client.Object) []string {
	if workspace := WorkspaceOf(obj); workspace != "" && !slices.Contains(usualNames(obj, workspace), obj.GetName()) {
		return []string{workspace}
	}
	return nil
}

// usualNames are what nearly all children of a kind are called that belong to a Workspace; none if that is not known.
func usualNames(kind client.Object, workspace string) []string {
	switch kind.(type) {
	case *appsv1.Deployment:
		return []string{workspace, plan.EPPName(plan.PoolName(workspace))}
	case *appsv1.StatefulSet, *corev1.Service:
		return []string{workspace}
	case *sourcev1.OCIRepository, *helmv2.HelmRelease, *inferencev1.InferencePool:
		return []string{plan.PoolName(workspace)}
	default:
		return nil
	}
}

// Children are a Workspace's objects: those that the operator writes, and those that follow from them.
type Children struct {
	status.Children
	// Owned are all objects that the operator wrote for this Workspace, of every kind.
	Owned []client.Object
}

// Find returns the owned object of a kind and name, or nil.
func (c Children) Find(like client.Object) client.Object {
	for _, obj := range c.Owned {
		if obj.GetName() == like.GetName() && fmt.Sprintf("%T", obj) == fmt.Sprintf("%T", like) {
			return obj
		}
	}
	return nil
}

// PlannedFor is what the workloads were planned for, as far as they say, the newest first: while one replaces another, the
// plan that is being carried out counts.
func (c Children) PlannedFor() []plan.Held {
	workloads := slices.Concat(objects(c.Deployments), objects(c.StatefulSets))
	slices.SortStableFunc(workloads, func(a, b client.Object) int {
		return cmp.Or(b.GetCreationTimestamp().Compare(a.GetCreationTimestamp().Time), strings.Compare(a.GetName(), b.GetName()))
	})
	var all []plan.Held
	for _, obj := range workloads {
		if held, ok := plan.ParseHeld(obj.GetAnnotations()[v1beta1.AnnotationPlannedFor]); ok {
			all = append(all, held)
		}
	}
	return all
}

// helmReleaseLabel is put by helm-controller on everything that it installs.
const helmReleaseLabel = "helm.toolkit.fluxcd.io/name"

// Children reads what the caches hold of a Workspace. Kinds whose API is not served are left out.
func (o *Observer) Children(ctx context.Context, ws *v1beta1.Workspace, apis APIs) (Children, error) {
	var c Children
	budgets, configs := []*policyv1.PodDisruptionBudget{}, []*corev1.ConfigMap{}
	services := []*corev1.Service{}
	deployments, pods := []*appsv1.Deployment{}, []*corev1.Pod{}
	repositories, releases, pools := []*sourcev1.OCIRepository{}, []*helmv2.HelmRelease{}, []*inferencev1.InferencePool{}
	err := errors.Join(
		list(ctx, o.cache, ws, &appsv1.DeploymentList{}, &deployments),
		list(ctx, o.cache, ws, &appsv1.StatefulSetList{}, &c.StatefulSets),
		list(ctx, o.cache, ws, &corev1.ServiceList{}, &services),
		list(ctx, o.cache, ws, &policyv1.PodDisruptionBudgetList{}, &budgets),
		list(ctx, o.cache, ws, &corev1.PodList{}, &pods),
		list(ctx, o.cache, ws, &corev1.ConfigMapList{}, &configs),
	)
	if apis.Flux {
		err = errors.Join(err,
			list(ctx, o.cache, ws, &sourcev1.OCIRepositoryList{}, &repositories),
			list(ctx, o.cache, ws, &helmv2.HelmReleaseList{}, &releases))
	}
	if apis.InferencePool {
		err = errors.Join(err, list(ctx, o.cache, ws, &inferencev1.InferencePoolList{}, &pools))
	}
	if err != nil {
		return Children{}, err
	}
	c.sortDeployments(ws, deployments)
	c.sortPods(pods)
	c.StatefulSets = owned(ws, c.StatefulSets)
	c.Repository, c.Release, c.InferencePool = first(owned(ws, repositories)), first(owned(ws, releases)), first(pools)
	c.Owned = slices.Concat(
		objects(c.Deployments), objects(c.StatefulSets), objects(owned(ws, services)), objects(owned(ws, budgets)),
		objects(owned(ws, repositories)), objects(owned(ws, releases)), objects(owned(ws, configs)))
	return c, o.routeChildren(ctx, ws, apis, &c)
}

// sortDeployments tells the model's Deployment from the endpoint picker's, which Helm installed.
func (c *Children) sortDeployments(ws *v1beta1.Workspace, deployments []*appsv1.Deployment) {
	c.Deployments = owned(ws, deployments)
	for _, d := range deployments {
		if d.Labels[helmReleaseLabel] != "" {
			c.EPP = d
		}
	}
}

func (c *Children) sortPods(pods []*corev1.Pod) {
	for _, p := range pods {
		if p.Labels[v1beta1.LabelEndpointPicker] == "" {
			c.Pods = append(c.Pods, p)
		} else {
			c.EPPPods = append(c.EPPPods, p)
		}
	}
}

// list reads the objects of one kind that carry the Workspace's name.
func list[T client.Object](ctx context.Context, cache client.Reader, ws *v1beta1.Workspace, into client.ObjectList, out *[]T) error {
	var kind T
	for _, name := range usualNames(kind, ws.Name) {
		usual := reflect.New(reflect.TypeFor[T]().Elem()).Interface().(T)
		err := cache.Get(ctx, client.ObjectKey{Namespace: ws.Namespace, Name: name}, usual)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading %T %s: %w", usual, name, err)
		}
		if err == nil && WorkspaceOf(usual) == ws.Name {
			*out = append(*out, usual)
		}
	}
	err := cache.List(ctx, into, client.InNamespace(ws.Namespace), client.MatchingFields{ByWorkspace: ws.Name})
	if err != nil {
		return fmt.Errorf("listing %T: %w", into, err)
	}
	return meta.EachListItem(into, func(obj runtime.Object) error {
		*out = append(*out, obj.(T))
		return nil
	})
}

func owned[T client.Object](ws *v1beta1.Workspace, in []T) []T {
	var out []T
	for _, obj := range in {
		if metav1.IsControlledBy(obj, ws) {
			out = append(out, obj)
		}
	}
	return out
}

func objects[T client.Object](in []T) []client.Object {
	out := make([]client.Object, 0, len(in))
	for _, obj := range in {
		out = append(out, obj)
	}
	return out
}

func first[T any](in []T) T {
	var none T
	if len(in) == 0 {
		return none
	}
	return in[0]
}
