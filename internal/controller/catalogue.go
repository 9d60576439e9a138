// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/preset"
)

// catalogue holds the presets: the built-in ones, and those of labelled ConfigMaps in the operator's namespace.
type catalogue struct {
	builtin   preset.Catalogue
	cache     client.Reader
	namespace string
	// changed tells all Workspaces to look again.
	changed func()

	mu      sync.RWMutex
	current preset.Catalogue
}

func newCatalogue(builtin preset.Catalogue, cache client.Reader, namespace string, changed func()) *catalogue {
	return &catalogue{builtin: builtin, cache: cache, namespace: namespace, changed: changed, current: builtin}
}

func (c *catalogue) lookup(name string) (preset.Preset, error) { return c.now().Lookup(name) }

// now are the presets as they are now.
func (c *catalogue) now() preset.Catalogue {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.current
}

// Reconcile reads all preset ConfigMaps anew whenever one of them changes. A bad entry is logged and left out.
func (c *catalogue) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	list := &corev1.ConfigMapList{}
	if err := c.cache.List(ctx, list, client.InNamespace(c.namespace), client.MatchingLabels{v1beta1.LabelPreset: "true"}); err != nil {
		return ctrl.Result{}, fmt.Errorf("listing preset ConfigMaps: %w", err)
	}
	documents := map[string]string{}
	for i := range list.Items {
		for key, text := range list.Items[i].Data {
			documents[list.Items[i].Name+"/"+key] = text
		}
	}
	current, problems := c.builtin.With(documents)
	for _, problem := range problems {
		log.FromContext(ctx).Error(problem, "preset left out")
	}
	log.FromContext(ctx).Info("presets loaded", "from", slices.Sorted(maps.Keys(documents)), "models", len(current.Names()))
	c.mu.Lock()
	c.current = current
	c.mu.Unlock()
	c.changed()
	return ctrl.Result{}, nil
}
