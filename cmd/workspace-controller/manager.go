// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
	"sigs.k8s.io/yaml"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/accelerator"
	"github.com/workspace-operator/workspace-operator/internal/controller"
	"github.com/workspace-operator/workspace-operator/internal/preset"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1beta1.AddToScheme,
		sourcev1.AddToScheme, helmv2.AddToScheme, inferencev1.Install,
		gatewayv1.Install, gatewayv1beta1.Install, route.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering API types: %w", err)
		}
	}
	return scheme, nil
}

func newManager(o *options) (manager.Manager, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	caches, err := controller.CacheOptions()
	if err != nil {
		return nil, err
	}
	rest, err := ctrl.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("finding a cluster: %w", err)
	}
	// API priority and fairness limits us; a second limit here would only hide it.
	rest.QPS = -1
	// The API server is near. To pack and unpack what it says would cost both more than to send it.
	rest.DisableCompression = true
	metrics := metricsserver.Options{BindAddress: o.metricsAddress, SecureServing: o.metricsSecure}
	if o.metricsSecure {
		metrics.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	mgr, err := ctrl.NewManager(rest, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         caches,
		Metrics:                       metrics,
		HealthProbeBindAddress:        o.healthAddress,
		PprofBindAddress:              o.pprofAddress,
		LeaderElection:                o.leaderElection,
		LeaderElectionID:              "workspace-operator.kaito.sh",
		LeaderElectionNamespace:       o.operatorNamespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, fmt.Errorf("creating the manager: %w", err)
	}
	return mgr, nil
}

func setup(ctx context.Context, mgr manager.Manager, o *options, config configv1alpha1.Configuration) error {
	text, err := yaml.Marshal(config.Redacted())
	if err != nil {
		return fmt.Errorf("printing the configuration: %w", err)
	}
	mgr.GetLogger().Info("configuration", "yaml", string(text))
	presets, err := preset.Default()
	if err != nil {
		return err
	}
	instances, err := accelerator.Default()
	if err != nil {
		return err
	}
	err = controller.Setup(ctx, mgr, controller.Options{
		Config: config, Presets: presets, Instances: instances, Namespace: o.operatorNamespace, Workers: o.workers, ModelsAddress: o.modelsAddress,
	})
	if err != nil {
		return err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	return mgr.AddReadyzCheck("ping", healthz.Ping)
}
