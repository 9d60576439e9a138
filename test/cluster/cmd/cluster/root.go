// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/cluster"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/state"
)

// which is how the user names a cluster.
type which struct {
	name, state, tier string
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "cluster",
		Short: "A local Kubernetes built from Go modules: tier api (no root) or tier node (real pods)",
		// main prints the error, and how to call a command that failed halfway helps nobody.
		SilenceErrors: true, SilenceUsage: true,
	}
	w := &which{}
	flags := root.PersistentFlags()
	flags.StringVar(&w.tier, "tier", "", "api or node; up and build need it, the others find the cluster by it")
	flags.StringVar(&w.name, "name", os.Getenv("CLUSTER_NAME"), "name of the cluster (default: $CLUSTER_NAME, or its tier)")
	flags.StringVar(&w.state, "state", "", "state directory (default: .cluster/NAME beside this program)")
	root.AddCommand(newUp(w), newDown(w), newStatus(w), newKubeconfig(w), newStop(w), newStart(w), newBuild(w), newLoad(w),
		newServeRegistry(), newServeGPUs(), newServeLoadBalancer())
	return root
}

// repository returns the root of the checkout: the parent of this program's bin directory, or else the
// nearest parent of the working directory that holds test/cluster.
func repository() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if root := filepath.Dir(filepath.Dir(self)); isRepository(root) {
		return root, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for !isRepository(dir) {
		if dir == filepath.Dir(dir) {
			return "", errors.New("run this inside the repository, or as its bin/cluster")
		}
		dir = filepath.Dir(dir)
	}
	return dir, nil
}

func isRepository(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "test", "cluster", "build", "kube", "go.mod"))
	return err == nil
}

func (w *which) wantTier() (state.Tier, error) {
	switch tier := state.Tier(w.tier); tier {
	case state.TierAPI, state.TierNode:
		return tier, nil
	case "":
		return "", errors.New("say --tier api (no root) or --tier node (real pods)")
	default:
		return "", fmt.Errorf("unknown tier %q: api or node", w.tier)
	}
}

// open returns the cluster that is meant, up or not.
func (w *which) open() (*cluster.Cluster, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	parent := filepath.Join(root, "bin", ".cluster")
	name, err := w.resolve(parent)
	if err != nil {
		return nil, err
	}
	dir := w.state
	if dir == "" {
		dir = filepath.Join(parent, name)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	c := &cluster.Cluster{Dir: state.Dir(dir), Bin: filepath.Join(root, "bin"), Self: self, Out: os.Stdout}
	c.Config.Name = name
	return c, nil
}

// resolve returns the name given, else the tier, else the only cluster that there is.
func (w *which) resolve(parent string) (string, error) {
	switch {
	case w.name != "":
		return w.name, validName(w.name)
	case w.tier != "":
		tier, err := w.wantTier()
		return string(tier), err
	case w.state != "":
		return filepath.Base(w.state), nil
	}
	names, err := state.Clusters(parent)
	if err != nil {
		return "", err
	}
	switch len(names) {
	case 0:
		return "", errors.New("no cluster is up: `cluster up --tier api` or `cluster up --tier node`")
	case 1:
		return names[0], nil
	default:
		return "", fmt.Errorf("several clusters are up, choose one by --name: %s", strings.Join(names, ", "))
	}
}

// validName keeps names usable as a directory and short enough for the paths of sockets under it.
func validName(name string) error {
	if len(name) > 20 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.HasPrefix(name, "-") {
		return fmt.Errorf("cluster name %q: at most 20 of a-z, 0-9 and -", name)
	}
	return nil
}

// openUp is open for commands that need the cluster to be there.
func (w *which) openUp() (*cluster.Cluster, error) {
	c, err := w.open()
	if err != nil {
		return nil, err
	}
	if c.Config, err = c.Dir.Load(); err != nil {
		return nil, err
	}
	return c, nil
}
