// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/build"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/cluster"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/node"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/state"
)

func newUp(w *which) *cobra.Command {
	var config state.Config
	cmd := &cobra.Command{
		Use: "up", Short: "Build what is missing, start a cluster and wait until it is ready", Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&config.AuditLog, "audit-log", "", "write every request to this file")
	flags.StringVar(&config.AuditPolicy, "audit-policy", "", "audit policy (default: metadata of every request)")
	flags.StringArrayVar(&config.APIServerArgs, "apiserver-arg", nil, "further argument of the API server, may be repeated")
	flags.BoolVar(&config.Workloads, "workloads", false, "tier api: also run the Deployment and StatefulSet controllers")
	flags.StringSliceVar(&config.CRDs, "crds", nil, "CRD bundles to install: gie, flux, gateway-api (tier node: gie and flux with Flux, gateway-api with the gateway)")
	nodeFlags(flags, &config)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !cmd.Flags().Changed("crds") {
			config.CRDs = defaultCRDs(w.tier, config)
		}
		c, err := w.configure(config)
		if err != nil {
			return err
		}
		// Before a quarter of an hour of building for nothing.
		if err := c.Check(); err != nil {
			return err
		}
		if err := buildTier(cmd, c.Config.Tier, extras{gateway: c.Config.Gateway}); err != nil {
			return err
		}
		return c.Up(cmd.Context())
	}
	return cmd
}

// nodeFlags are the flags that only tier node heeds.
func nodeFlags(flags *pflag.FlagSet, config *state.Config) {
	flags.IntVar(&config.Nodes, "nodes", 2, "tier node: how many kubelets")
	flags.IntVar(&config.GPUs, "gpus", 8, "tier node: nvidia.com/gpu that each node advertises")
	flags.StringToStringVar(&config.NodeLabels, "node-labels", map[string]string{
		"node.kubernetes.io/instance-type": "Standard_NC24ads_A100_v4", "apps": "llm",
	}, "tier node: labels of every node")
	flags.BoolVar(&config.Flux, "flux", true, "tier node: run Flux's source- and helm-controller")
	flags.StringVar(&config.FluxNamespace, "flux-namespace", "flux-system", "tier node: where Flux runs")
	flags.BoolVar(&config.Gateway, "gateway", false, "tier node: run istiod, which makes an Envoy for each Gateway")
	flags.StringSliceVar(&config.ModelImages, "model-image", []string{"docker.io/vllm/vllm-openai:v0.33.0", "docker.io/vllm/vllm-openai:latest"},
		"tier node: names under which the model server is an image")
}

func defaultCRDs(tier string, config state.Config) []string {
	if state.Tier(tier) != state.TierNode {
		return []string{}
	}
	var bundles []string
	if config.Flux {
		bundles = append(bundles, "gie", "flux")
	}
	if config.Gateway {
		bundles = append(bundles, "gateway-api")
	}
	return bundles
}

// configure returns the cluster that `up` is to start.
func (w *which) configure(config state.Config) (*cluster.Cluster, error) {
	tier, err := w.wantTier()
	if err != nil {
		return nil, err
	}
	c, err := w.open()
	if err != nil {
		return nil, err
	}
	config.Name, config.Tier, config.Host = c.Config.Name, tier, "127.0.0.1"
	if tier == state.TierNode {
		config.Host = node.Gateway
	}
	for _, path := range []*string{&config.AuditLog, &config.AuditPolicy} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return nil, err
		}
	}
	c.Config = config
	return c, nil
}

func newDown(w *which) *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Stop a cluster and remove everything that it left on this machine", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := w.open()
			if err != nil {
				return err
			}
			return c.Down()
		},
	}
}

func newStatus(w *which) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the parts of a cluster", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := w.openUp()
			if err != nil {
				return err
			}
			return c.PrintStatus(cmd.Context(), cmd.OutOrStdout())
		},
	}
}

func newKubeconfig(w *which) *cobra.Command {
	return &cobra.Command{
		Use: "kubeconfig", Short: "Print the path of a cluster's kubeconfig", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := w.openUp()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), c.Dir.Kubeconfig())
			return err
		},
	}
}

func newStop(w *which) *cobra.Command {
	return &cobra.Command{
		Use: "stop PART", Short: "Stop one part of a running cluster, to see what happens", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := w.openUp()
			if err != nil {
				return err
			}
			return c.Halt(args[0])
		},
	}
}

func newStart(w *which) *cobra.Command {
	return &cobra.Command{
		Use: "start PART", Short: "Start a part again that was stopped", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := w.openUp()
			if err != nil {
				return err
			}
			return c.Resume(args[0])
		},
	}
}

func newBuild(w *which) *cobra.Command {
	var with extras
	cmd := &cobra.Command{
		Use: "build", Short: "Build the programs of a tier into bin", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tier, err := w.wantTier()
			if err != nil {
				return err
			}
			return buildTier(cmd, tier, with)
		},
	}
	cmd.Flags().BoolVar(&with.gateway, "gateway", false, "tier node: build istiod and get Envoy, too")
	cmd.Flags().BoolVar(&with.flux, "flux", false, "tier api: build Flux's controllers, too, which the chart's tests run")
	return cmd
}

// extras are what a tier does without, unless it is asked for.
type extras struct {
	gateway, flux bool
}

func (e extras) parts(tier state.Tier) []build.Part {
	var parts []build.Part
	if e.flux && tier == state.TierAPI {
		parts = append(parts, build.FluxParts()...)
	}
	if e.gateway {
		parts = append(parts, build.GatewayParts()...)
	}
	return parts
}

func buildTier(cmd *cobra.Command, tier state.Tier, with extras) error {
	root, err := repository()
	if err != nil {
		return err
	}
	start := time.Now()
	builder := build.Builder{Repository: root, Out: cmd.OutOrStdout()}
	lock, err := builder.Lock()
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	parts := append(build.Parts(root, tier), with.parts(tier)...)
	if err := builder.Build(cmd.Context(), parts); err != nil {
		return err
	}
	if err := builder.Share(cmd.Context()); err != nil {
		return err
	}
	if with.gateway {
		if err := builder.Gateway(cmd.Context()); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "build: tier %s is current after %.1f s\n", tier, time.Since(start).Seconds())
	return err
}
