// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/balancer"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/gpu"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/kubectl"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/registry"
)

// The hidden commands are parts of a cluster that this program runs itself, in the background.

func newServeRegistry() *cobra.Command {
	var options registry.Options
	cmd := &cobra.Command{
		Use: "serve-registry", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return registry.Serve(cmd.Context(), options) },
	}
	flags := cmd.Flags()
	flags.StringVar(&options.Dir, "dir", "", "where blobs and manifests are kept")
	flags.StringVar(&options.Address, "address", "", "plain HTTP listener")
	flags.StringVar(&options.Front, "front", "", "TLS listener under the names of production")
	flags.StringVar(&options.Certificate.Cert, "certificate", "", "certificate of the TLS listener")
	flags.StringVar(&options.Certificate.Key, "key", "", "key of the TLS listener")
	return cmd
}

func newServeGPUs() *cobra.Command {
	var plugin gpu.Plugin
	cmd := &cobra.Command{
		Use: "serve-gpus", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return plugin.Serve(cmd.Context()) },
	}
	cmd.Flags().StringVar(&plugin.Dir, "dir", "", "kubelet's directory of plugin sockets")
	cmd.Flags().IntVar(&plugin.Count, "count", 0, "number of devices")
	return cmd
}

func newServeLoadBalancer() *cobra.Command {
	var client kubectl.Client
	cmd := &cobra.Command{
		Use: "serve-load-balancer", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return balancer.Serve(cmd.Context(), client, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&client.Program, "kubectl", "", "path of kubectl")
	cmd.Flags().StringVar(&client.Kubeconfig, "kubeconfig", "", "access to the cluster")
	return cmd
}
