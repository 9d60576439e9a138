// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// recorder watches the Workspaces of a namespace and keeps every value that each condition took. A condition that goes
// back to where it came from, while the world did not change, flaps.
type recorder struct {
	watch watch.Interface
	done  chan struct{}

	mu sync.Mutex
	// seen is the newest resourceVersion of each Workspace.
	seen map[string]string
	// lenient: somebody changes things back and forth in this test, and conditions follow.
	lenient bool
	// values are since the last step, beginning with the one before it; all since the start.
	values, all map[conditionKey][]string
	flaps       []string
}

type conditionKey struct {
	uid             types.UID
	name, condition string
	// generation is zero where values are kept over all of them.
	generation int64
}

func record(t *testing.T, c *cluster, namespace string) *recorder {
	t.Helper()
	w, err := c.Watch(context.Background(), &v1beta1.WorkspaceList{}, client.InNamespace(namespace))
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{watch: w, done: make(chan struct{}), seen: map[string]string{}, values: map[conditionKey][]string{}, all: map[conditionKey][]string{}}
	go r.run()
	t.Cleanup(func() {
		w.Stop()
		<-r.done
		for _, flap := range r.flaps {
			if !r.lenient {
				t.Errorf("flap: %s", flap)
			}
		}
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
	if len(ws.Status.Conditions) == 0 {
		return
	}
	for _, condition := range []string{
		v1beta1.ConditionReady, v1beta1.ConditionReconciling, v1beta1.ConditionStalled, v1beta1.ConditionResourceReady,
		v1beta1.ConditionInferenceReady, v1beta1.ConditionInferencePoolReady, v1beta1.ConditionRouteReady,
		v1beta1.ConditionWorkspaceSucceeded,
	} {
		value := "absent"
		if c := meta.FindStatusCondition(ws.Status.Conditions, condition); c != nil {
			value = string(c.Status) + " " + c.Reason
		}
		// A change of the Workspace is a change of the world.
		key := conditionKey{ws.UID, ws.Name, condition, ws.Status.ObservedGeneration}
		values := r.values[key]
		if len(values) > 0 && values[len(values)-1] == value {
			continue
		}
		if len(values) > 1 && slices.Contains(values, value) {
			r.flaps = append(r.flaps, fmt.Sprintf("%s of %s: %s", condition, ws.Name, strings.Join(append(values, value), " → ")))
		}
		r.values[key] = append(values, value)
		r.keep(key, value)
	}
	// Counts come and go with pods; only what they were is kept.
	r.keep(conditionKey{uid: ws.UID, name: ws.Name, condition: readyReplicas}, strconv.Itoa(int(ws.Status.ReadyReplicas)))
}

// readyReplicas is recorded like a condition, and may go back.
const readyReplicas = "readyReplicas"

func (r *recorder) keep(key conditionKey, value string) {
	key.generation = 0
	if all := r.all[key]; len(all) == 0 || all[len(all)-1] != value {
		r.all[key] = append(all, value)
	}
}

// knows says whether the recorder has seen a Workspace as it is now.
func (r *recorder) knows(ws *v1beta1.Workspace) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	order, err := resourceversion.CompareResourceVersion(r.seen[ws.Name], ws.ResourceVersion)
	return err == nil && order >= 0
}

// step says that the world changes now, so that conditions may return to what they were.
func (r *recorder) step() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, values := range r.values {
		r.values[key] = values[len(values)-1:]
	}
}

// history is every value that a Workspace's condition had, in order.
func (r *recorder) history(workspace, condition string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, values := range r.all {
		if key.name == workspace && key.condition == condition {
			return slices.Clone(values)
		}
	}
	return nil
}
