// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// check looks at the cluster with the operator's account: are the APIs served that the configuration asks for, and may they
// be read? The chart's test runs it. Every finding is reported, one on each line.
func check(ctx context.Context, out io.Writer, config configv1alpha1.Configuration) error {
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	rest, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding a cluster: %w", err)
	}
	c, err := client.New(rest, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	var failed []error
	for _, list := range needed(config) {
		gvk, err := c.GroupVersionKindFor(list)
		if err != nil {
			return err
		}
		if err := c.List(ctx, list, client.Limit(1)); err != nil {
			failed = append(failed, fmt.Errorf("listing %s of %s: %w", gvk.Kind, gvk.GroupVersion(), err))
			continue
		}
		if _, err := fmt.Fprintf(out, "ok: %s of %s\n", gvk.Kind, gvk.GroupVersion()); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

// needed are the kinds that the operator cannot do without under this configuration.
func needed(config configv1alpha1.Configuration) []client.ObjectList {
	lists := []client.ObjectList{&v1beta1.WorkspaceList{}}
	if !config.FeatureGates.GatewayAPIInferenceExtension {
		return lists
	}
	lists = append(lists, &sourcev1.OCIRepositoryList{}, &helmv2.HelmReleaseList{}, &inferencev1.InferencePoolList{})
	if config.Gateway.Default != nil || config.Gateway.BodyBasedRouting.Enabled {
		lists = append(lists, &gatewayv1.GatewayList{}, &gatewayv1.HTTPRouteList{})
	}
	if config.Gateway.BodyBasedRouting.Enabled {
		lists = append(lists, &gatewayv1beta1.ReferenceGrantList{})
	}
	return lists
}
