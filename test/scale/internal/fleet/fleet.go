// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fleet is the Workspaces of an experiment: it creates and changes them, and notes what becomes of each and when.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/test/actors"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/lab"
)

// writers is how many requests are open at once while Workspaces are created or changed.
const writers = 20

// Turn is a moment at which Ready of a Workspace was seen to change.
type Turn struct {
	At    time.Time
	Ready bool
	// Generation is that of the Workspace for which Ready holds.
	Generation int64
}

// Fleet watches the Workspaces of the experiment.
type Fleet struct {
	client client.Client

	mu      sync.Mutex
	created map[string]time.Time
	gone    map[string]time.Time
	moved   map[string]time.Time
	turns   map[string][]Turn
	ready   int
}

// Watch returns a Fleet that watches until ctx ends.
func Watch(ctx context.Context, config *rest.Config, c client.Client) (*Fleet, error) {
	scheme, err := actors.Scheme()
	if err != nil {
		return nil, err
	}
	watched, err := cache.New(config, cache.Options{Scheme: scheme, DefaultTransform: keepConditions})
	if err != nil {
		return nil, fmt.Errorf("making the fleet's cache: %w", err)
	}
	f := &Fleet{
		client: c, created: map[string]time.Time{}, gone: map[string]time.Time{}, moved: map[string]time.Time{}, turns: map[string][]Turn{},
	}
	informer, err := watched.GetInformer(ctx, &v1beta1.Workspace{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watching Workspaces: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    f.see,
		UpdateFunc: func(_, in any) { f.see(in) },
		DeleteFunc: f.miss,
	})
	if err != nil {
		return nil, fmt.Errorf("following Workspaces: %w", err)
	}
	go func() { _ = watched.Start(ctx) }()
	return f, nil
}

func keepConditions(in any) (any, error) {
	ws, ok := in.(*v1beta1.Workspace)
	if !ok {
		return in, nil
	}
	return &v1beta1.Workspace{
		TypeMeta: ws.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			Name: ws.Name, Namespace: ws.Namespace, Generation: ws.Generation, ResourceVersion: ws.ResourceVersion, UID: ws.UID,
		},
		Status: v1beta1.WorkspaceStatus{Conditions: ws.Status.Conditions},
	}, nil
}

func (f *Fleet) see(in any) {
	ws, ok := in.(*v1beta1.Workspace)
	if !ok {
		return
	}
	condition := meta.FindStatusCondition(ws.Status.Conditions, v1beta1.ConditionReady)
	if condition == nil {
		return
	}
	turn := Turn{At: time.Now(), Ready: condition.Status == metav1.ConditionTrue, Generation: condition.ObservedGeneration}
	f.mu.Lock()
	defer f.mu.Unlock()
	turns := f.turns[ws.Name]
	if len(turns) > 0 && turns[len(turns)-1].Ready == turn.Ready && turns[len(turns)-1].Generation == turn.Generation {
		return
	}
	wasReady := len(turns) > 0 && turns[len(turns)-1].Ready
	switch {
	case turn.Ready && !wasReady:
		f.ready++
	case !turn.Ready && wasReady:
		f.ready--
	}
	f.turns[ws.Name] = append(turns, turn)
}

func (f *Fleet) miss(in any) {
	if late, ok := in.(toolscache.DeletedFinalStateUnknown); ok {
		in = late.Obj
	}
	if ws, ok := in.(*v1beta1.Workspace); ok {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.gone[ws.Name] = time.Now()
	}
}

// Moved notes that a child of a Workspace was made ready; what actors call.
func (f *Fleet) Moved(workspace string, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at.After(f.moved[workspace]) {
		f.moved[workspace] = at
	}
}

// Name of the Workspace with a number.
func Name(prefix string, number int) string { return fmt.Sprintf("%s-%05d", prefix, number) }

// Names are those of the first count Workspaces.
func Names(prefix string, count int) []string {
	names := make([]string, 0, count)
	for i := range count {
		names = append(names, Name(prefix, i))
	}
	return names
}

// New returns a Workspace as most are: a preset that fits one GPU.
func New(name string) *v1beta1.Workspace {
	return &v1beta1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Namespace: lab.Models, Name: name},
		Resource: v1beta1.ResourceSpec{
			InstanceType:  "Standard_NC24ads_A100_v4",
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"apps": "llm"}},
		},
		Inference: &v1beta1.InferenceSpec{Preset: &v1beta1.PresetSpec{Name: "phi-4-mini-instruct"}},
	}
}

// Create makes Workspaces as fast as the API server takes them.
func (f *Fleet) Create(ctx context.Context, names []string) error {
	return f.Each(ctx, names, func(ctx context.Context, name string) error {
		now := time.Now()
		f.mu.Lock()
		f.created[name] = now
		f.mu.Unlock()
		return f.client.Create(ctx, New(name))
	})
}

// Each calls do for every name, several at once, and returns the first errors.
func (f *Fleet) Each(ctx context.Context, names []string, do func(context.Context, string) error) error {
	var next atomic.Int64
	failures := make(chan error, writers)
	for range writers {
		go func() {
			for i := int(next.Add(1)) - 1; i < len(names); i = int(next.Add(1)) - 1 {
				if err := do(ctx, names[i]); err != nil {
					failures <- fmt.Errorf("%s: %w", names[i], err)
					return
				}
			}
			failures <- nil
		}()
	}
	var err error
	for range writers {
		err = errors.Join(err, <-failures)
	}
	return err
}

// Ready is how many Workspaces are Ready now.
func (f *Fleet) Ready() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ready
}
