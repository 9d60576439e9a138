package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/build"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/cluster"
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
	flags.StringSliceVar(&config.CRDs, "crds", nil, "CRD bundles to install: gie, flux, gateway-api (default in tier node: gie)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := w.configure(config)
		if err != nil {
			return err
		}
		if err := buildTier(cmd, c.Config.Tier); err != nil {
			return err
		}
		return c.Up(cmd.Context())
	}
	return cmd
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
	return &cobra.Command{
		Use: "build", Short: "Build the programs of a tier into bin", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tier, err := w.wantTier()
			if err != nil {
				return err
			}
			return buildTier(cmd, tier)
		},
	}
}

func buildTier(cmd *cobra.Command, tier state.Tier) error {
	root, err := repository()
	if err != nil {
		return err
	}
	start := time.Now()
	builder := build.Builder{Repository: root, Out: cmd.OutOrStdout()}
	if err := builder.Build(cmd.Context(), build.Parts(root, tier)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "build: tier %s is current after %.1f s\n", tier, time.Since(start).Seconds())
	return err
}
