// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// added keeps how each request was added.
type added struct {
	priorityqueue.PriorityQueue[ctrl.Request]
	all []priorityqueue.AddOpts
}

func (a *added) Add(ctrl.Request) { a.all = append(a.all, priorityqueue.AddOpts{}) }

func (a *added) AddWithOpts(o priorityqueue.AddOpts, _ ...ctrl.Request) { a.all = append(a.all, o) }

// TestInstalledIsWaitedFor: only that something came of a chart may wait, and it waits for what tells of its state.
func TestInstalledIsWaitedFor(t *testing.T) {
	t.Parallel()
	of := func(obj client.Object, owners ...metav1.OwnerReference) client.Object {
		obj.SetNamespace("models")
		obj.SetName("phi-inferencepool")
		obj.SetLabels(map[string]string{v1beta1.LabelWorkspace: "phi"})
		obj.SetOwnerReferences(owners)
		return obj
	}
	workspace := metav1.OwnerReference{Kind: "Workspace", Name: "phi", Controller: new(true)}
	f := forgetting{EventHandler: handler.EnqueueRequestsFromMapFunc(workspaceOf)}
	for name, test := range map[string]struct {
		happens func(*added)
		want    priorityqueue.AddOpts
	}{
		"pool comes": {func(q *added) {
			f.Create(t.Context(), event.CreateEvent{Object: of(&inferencev1.InferencePool{})}, q)
		}, priorityqueue.AddOpts{After: installInterval}},
		"endpoint picker comes": {func(q *added) {
			f.Create(t.Context(), event.CreateEvent{Object: of(&appsv1.Deployment{})}, q)
		}, priorityqueue.AddOpts{After: installInterval}},
		"it was there at start": {func(q *added) {
			f.Create(t.Context(), event.CreateEvent{Object: of(&appsv1.Deployment{}), IsInInitialList: true}, q)
		}, priorityqueue.AddOpts{Priority: new(handler.LowPriority)}},
		"its status": {func(q *added) {
			after := of(&appsv1.Deployment{})
			after.SetResourceVersion("2")
			f.Update(t.Context(), event.UpdateEvent{ObjectOld: of(&appsv1.Deployment{}), ObjectNew: after}, q)
		}, priorityqueue.AddOpts{}},
		"it goes": {func(q *added) {
			f.Delete(t.Context(), event.DeleteEvent{Object: of(&appsv1.Deployment{})}, q)
		}, priorityqueue.AddOpts{}},
		"a workload of ours comes": {func(q *added) {
			f.Create(t.Context(), event.CreateEvent{Object: of(&appsv1.Deployment{}, workspace)}, q)
		}, priorityqueue.AddOpts{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := &added{}
			test.happens(q)
			if diff := cmp.Diff([]priorityqueue.AddOpts{test.want}, q.all); diff != "" {
				t.Error(diff)
			}
		})
	}
}
