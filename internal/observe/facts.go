// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/accelerator"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// InferenceConfigKey is the key of the ConfigMap that inference.config names, as in KAITO.
const InferenceConfigKey = "inference_config.yaml"

// Observer reads the cluster through caches.
type Observer struct {
	cache client.Reader
	// routes reads Gateways, their classes, HTTPRoutes and DestinationRules.
	routes    client.Reader
	config    configv1alpha1.Configuration
	instances accelerator.Table
}

// New returns an Observer over the two caches. The configuration has its defaults.
func New(cache, routes client.Reader, config configv1alpha1.Configuration, instances accelerator.Table) *Observer {
	return &Observer{cache: cache, routes: routes, config: config, instances: instances}
}

// Facts returns what the plan must know. It is *outcome.Waiting while something that the Workspace names is missing; the
// facts are usable then too, but for that.
func (o *Observer) Facts(ctx context.Context, ws *v1beta1.Workspace) (plan.Facts, error) {
	facts := plan.Facts{Config: o.config, Instances: o.instances}
	nodes, err := o.nodes(ctx, ws)
	if err != nil {
		return facts, err
	}
	facts.Nodes = nodes
	facts.InferenceConfig, err = o.inferenceConfig(ctx, ws)
	return facts, err
}

func (o *Observer) nodes(ctx context.Context, ws *v1beta1.Workspace) ([]plan.Node, error) {
	selector, err := metav1.LabelSelectorAsSelector(cmpSelector(ws.Resource.LabelSelector))
	if err != nil {
		return nil, &outcome.Terminal{Reason: v1beta1.ReasonInsufficientNodes, Err: fmt.Errorf("resource.labelSelector: %w", err)}
	}
	list := &corev1.NodeList{}
	if err := o.cache.List(ctx, list, client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	nodes := make([]plan.Node, 0, len(list.Items))
	for i := range list.Items {
		n := &list.Items[i]
		// A node whose GPUs are unknown keeps the zero Accelerator.
		gpus, _ := o.instances.FromNode(n.Labels, n.Status.Allocatable)
		nodes = append(nodes, plan.Node{Name: n.Name, Ready: IsReady(n), Accelerator: gpus})
	}
	slices.SortFunc(nodes, func(a, b plan.Node) int { return strings.Compare(a.Name, b.Name) })
	return nodes, nil
}

// cmpSelector: no selector means all nodes, while Kubernetes reads nil as none.
func cmpSelector(s *metav1.LabelSelector) *metav1.LabelSelector {
	if s == nil {
		return &metav1.LabelSelector{}
	}
	return s
}

// IsReady says whether pods can be placed on a node.
func IsReady(n *corev1.Node) bool {
	return !n.Spec.Unschedulable && n.DeletionTimestamp == nil && slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

func (o *Observer) inferenceConfig(ctx context.Context, ws *v1beta1.Workspace) (string, error) {
	if ws.Inference == nil || ws.Inference.Config == "" {
		return "", nil
	}
	name := ws.Inference.Config
	cm := &corev1.ConfigMap{}
	err := o.cache.Get(ctx, client.ObjectKey{Namespace: ws.Namespace, Name: name}, cm)
	switch {
	case apierrors.IsNotFound(err):
		return "", &outcome.Waiting{Reason: v1beta1.ReasonConfigNotFound, Message: fmt.Sprintf(
			"inference.config names ConfigMap %s, which does not exist: create it with key %s, or remove inference.config", name, InferenceConfigKey)}
	case err != nil:
		return "", fmt.Errorf("reading ConfigMap %s: %w", name, err)
	}
	text, ok := cm.Data[InferenceConfigKey]
	if !ok {
		return "", &outcome.Waiting{Reason: v1beta1.ReasonConfigNotFound, Message: fmt.Sprintf(
			"ConfigMap %s has no key %s: write vLLM's arguments there, under vllm", name, InferenceConfigKey)}
	}
	return text, nil
}
