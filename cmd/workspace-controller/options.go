// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
)

// options are the flags. What a platform team decides about Workspaces is in the configuration file instead.
type options struct {
	check             bool
	configFile        string
	metricsAddress    string
	metricsSecure     bool
	healthAddress     string
	pprofAddress      string
	modelsAddress     string
	leaderElection    bool
	operatorNamespace string
	workers           int
	log               zap.Options
}

func parse(args []string) (*options, error) {
	o := &options{}
	flags := pflag.NewFlagSet("workspace-controller", pflag.ContinueOnError)
	flags.BoolVar(&o.check, "check", false, "say whether the configuration is valid and the cluster serves what it asks for, and exit")
	flags.StringVar(&o.configFile, "config", "", "file with the operator's configuration (config.kaito.sh/v1alpha1); without it every default applies")
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443", "address that serves /metrics; 0 serves none")
	flags.BoolVar(&o.metricsSecure, "metrics-secure", true, "serve /metrics by TLS, to those whom the API server authorizes")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "address that serves /healthz and /readyz; 0 serves none")
	flags.StringVar(&o.pprofAddress, "pprof-bind-address", "", "address that serves /debug/pprof; empty serves none")
	flags.StringVar(&o.modelsAddress, "models-bind-address", ":8090", "address that serves the list of models to Gateways with body-based routing; empty serves none")
	flags.BoolVar(&o.leaderElection, "leader-elect", false, "let one of several replicas work, the others stand by")
	flags.StringVar(&o.operatorNamespace, "namespace", os.Getenv("POD_NAMESPACE"), "the operator's own namespace, for its lease and for preset ConfigMaps; default $POD_NAMESPACE")
	flags.IntVar(&o.workers, "workers", 10, "how many Workspaces are reconciled at once")
	logFlags := flag.NewFlagSet("", flag.ContinueOnError)
	o.log.BindFlags(logFlags)
	flags.AddGoFlagSet(logFlags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if o.operatorNamespace == "" && !o.check {
		return nil, fmt.Errorf("--namespace is required when POD_NAMESPACE is not set")
	}
	return o, nil
}

func (o *options) configuration() (configv1alpha1.Configuration, error) {
	var config configv1alpha1.Configuration
	if o.configFile != "" {
		data, err := os.ReadFile(o.configFile)
		if err != nil {
			return config, fmt.Errorf("reading the configuration: %w", err)
		}
		if config, err = configv1alpha1.Decode(data); err != nil {
			return config, fmt.Errorf("%s: %w", o.configFile, err)
		}
	}
	configv1alpha1.Default(&config)
	if err := config.Validate(); err != nil {
		return config, fmt.Errorf("configuration %s: %w", o.configFile, err)
	}
	return config, nil
}
