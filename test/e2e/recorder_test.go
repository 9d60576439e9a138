// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// recorder watches the Workspaces of a namespace and keeps every value that each condition took.
type recorder struct {
	watch watch.Interface
	done  chan struct{}

	mu sync.Mutex
	// values are STATUS REASON in their order, by Workspace and condition, and "absent" once a condition went.
	values map[[2]string][]string
	// seen is the version of each Workspace that values go up to.
	seen map[string]string
}

func record(t *testing.T, c *cluster, namespace string) *recorder {
	t.Helper()
	w, err := c.Watch(context.WithoutCancel(t.Context()), &v1beta1.WorkspaceList{}, client.InNamespace(namespace))
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{watch: w, done: make(chan struct{}), values: map[[2]string][]string{}, seen: map[string]string{}}
	go r.run()
	t.Cleanup(func() {
		w.Stop()
		<-r.done
	})
	return r
}

func (r *recorder) run() {
	defer close(r.done)
	for event := range r.watch.ResultChan() {
		if ws, ok := event.Object.(*v1beta1.Workspace); ok && event.Type != watch.Deleted {
			r.note(ws)
		}
	}
}

func (r *recorder) note(ws *v1beta1.Workspace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[ws.Name] = ws.ResourceVersion
	for _, condition := range []string{
		v1beta1.ConditionReady, v1beta1.ConditionResourceReady, v1beta1.ConditionInferenceReady, v1beta1.ConditionInferencePoolReady,
		v1beta1.ConditionRouteReady,
	} {
		key := [2]string{ws.Name, condition}
		value := "absent"
		if c := meta.FindStatusCondition(ws.Status.Conditions, condition); c != nil {
			value = string(c.Status) + " " + c.Reason
		}
		values := r.values[key]
		if len(values) == 0 && value == "absent" || len(values) > 0 && values[len(values)-1] == value {
			continue
		}
		r.values[key] = append(values, value)
	}
}

// behind says that the watch has not brought a Workspace as somebody else read it.
func (r *recorder) behind(ws *v1beta1.Workspace) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	order, err := resourceversion.CompareResourceVersion(r.seen[ws.Name], ws.ResourceVersion)
	return err != nil || order < 0
}

// history is every value that a Workspace's condition had, in order.
func (r *recorder) history(workspace, condition string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.values[[2]string{workspace, condition}])
}

// statuses is history without reasons, each change once.
func (r *recorder) statuses(workspace, condition string) []string {
	var all []string
	for _, value := range r.history(workspace, condition) {
		status, _, _ := strings.Cut(value, " ")
		all = append(all, status)
	}
	return slices.Compact(all)
}
