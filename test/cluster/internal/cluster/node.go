// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/controlplane"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/cri"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/gpu"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/machine"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/node"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/process"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/registry"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/state"
)

const registryPart = "registry"

func (c *Cluster) nodes() []node.Node {
	return node.Plan(c.Dir, c.Config, c.Bin, machine.CNIDir())
}

func (c *Cluster) bridge() machine.Bridge {
	b := machine.Bridge{Name: node.Bridge, Addresses: []string{node.Gateway + node.Prefix}, Services: controlplane.ServiceCIDR}
	for _, n := range c.nodes() {
		b.Addresses = append(b.Addresses, n.Address+"/32")
	}
	return b
}

// startNodeTier starts everything that a real cluster has.
func (c *Cluster) startNodeTier(ctx context.Context) error {
	if err := c.prepareMachine(); err != nil {
		return err
	}
	if err := c.prepare(); err != nil {
		return err
	}
	group, parallel := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := c.startPlane(parallel); err != nil {
			return err
		}
		return c.installCRDs(parallel)
	})
	group.Go(func() error { return c.startRegistry(parallel) })
	group.Go(func() error { return c.startRuntimes(parallel) })
	if err := group.Wait(); err != nil {
		return err
	}
	c.say("control plane and registry are up")
	if err := c.startNodes(ctx); err != nil {
		return err
	}
	return c.installAddons(ctx)
}

// Check says everything that keeps the cluster from starting here at once, and what to use instead. A cluster
// that is already up has passed it.
func (c *Cluster) Check() error {
	if c.Config.Tier != state.TierNode || exists(c.Dir.Under("cluster.json")) {
		return nil
	}
	if c.Config.Nodes < 1 || c.Config.Nodes > node.Max {
		return fmt.Errorf("%d nodes: there can be 1 to %d", c.Config.Nodes, node.Max)
	}
	if c.bridge().Exists() {
		return fmt.Errorf("the network %s of another cluster of tier node is there: take that one down first, "+
			"or remove what a crash left with `ip link del %s`", node.Bridge, node.Bridge)
	}
	if problems := machine.Problems(string(c.Dir)); len(problems) > 0 {
		slices.Sort(problems)
		return fmt.Errorf("tier node cannot run here:\n  - %s\n"+
			"use `--tier api`, which needs nothing of this, or set KUBECONFIG to a cluster that you have",
			strings.Join(problems, "\n  - "))
	}
	return nil
}

// prepareMachine makes network, cgroups and kernel settings. What was before is saved first.
func (c *Cluster) prepareMachine() error {
	ports, err := controlplane.FreePorts("0.0.0.0", controlplane.PortNames())
	if err != nil {
		return err
	}
	ports[controlplane.APIServer] = node.APIPort
	c.Config.Ports = ports
	c.Config.Machine = &state.Machine{Sysctls: machine.ReadSysctls(), Missing: machine.Missing()}
	if err := c.makeDirs(); err != nil {
		return err
	}
	if err := c.Dir.Save(c.Config); err != nil {
		return err
	}
	if err := c.bridge().Up(); err != nil {
		return err
	}
	for _, key := range []string{"net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"} {
		if err := machine.WriteSysctl(key, "1"); err != nil {
			return err
		}
	}
	for _, n := range c.nodes() {
		if err := machine.MakeCGroup(n.CGroup); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) startRegistry(ctx context.Context) error {
	spec := process.Spec{
		Name: registryPart, Path: c.Self, Endpoint: "http://" + node.Registry,
		Args: []string{
			"serve-registry", "--dir", c.Dir.Registry(), "--address", node.Registry, "--front", node.Front,
			"--certificate", filepath.Join(c.Dir.PKI(), registryPart+".crt"),
			"--key", filepath.Join(c.Dir.PKI(), registryPart+".key"),
		},
	}
	if err := c.startAndWait(ctx, spec, spec.Endpoint+"/v2/"); err != nil {
		return err
	}
	return c.pushAll(ctx)
}

func (c *Cluster) startRuntimes(ctx context.Context) error {
	for _, n := range c.nodes() {
		if err := writeNode(n); err != nil {
			return err
		}
		if _, err := c.processes().Start(n.ContainerdSpec()); err != nil {
			return err
		}
	}
	for _, n := range c.nodes() {
		err := c.await(ctx, "containerd of "+n.Name, func(ctx context.Context) error { return cri.Ready(ctx, n.Socket()) })
		if err != nil {
			return err
		}
	}
	return nil
}

func writeNode(n node.Node) error {
	for _, dir := range n.Dirs() {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	files, err := n.Files()
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(files[path]), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// startNodes starts scheduler, kube-proxy, kubelets and the GPU plugins, and waits until the nodes take pods.
func (c *Cluster) startNodes(ctx context.Context) error {
	proxy := node.Proxy{
		Program: filepath.Join(c.Bin, "k8s", "kube-proxy"), Kubeconfig: c.plane().Kubeconfig("kube-proxy"),
		ConfigFile: c.Dir.Under("kube-proxy.yaml"), Masquerade: !machine.BridgedPacketsFiltered(),
	}
	config, err := proxy.Config()
	if err != nil {
		return err
	}
	if err := os.WriteFile(proxy.ConfigFile, []byte(config), 0o644); err != nil {
		return err
	}
	specs := []process.Spec{proxy.Spec(), c.balancerSpec()}
	for _, n := range c.nodes() {
		specs = append(specs, n.KubeletSpec())
		if c.Config.GPUs > 0 {
			specs = append(specs, c.gpuSpec(n))
		}
	}
	for _, spec := range specs {
		if _, err := c.processes().Start(spec); err != nil {
			return err
		}
	}
	for _, n := range c.nodes() {
		if err := c.await(ctx, "node "+n.Name, func(ctx context.Context) error { return c.joined(ctx, n.Name) }); err != nil {
			return fmt.Errorf("%w\n%s", err, lastLines(c.processes().LogFile("kubelet-"+n.Name)))
		}
	}
	c.say("%d nodes are ready", c.Config.Nodes)
	return c.labelNodes(ctx)
}

func (c *Cluster) gpuSpec(n node.Node) process.Spec {
	return process.Spec{
		Name: "gpus-" + n.Name, Path: c.Self, Endpoint: fmt.Sprintf("%d x %s", c.Config.GPUs, gpu.Resource),
		Args: []string{"serve-gpus", "--dir", filepath.Join(n.KubeletDir(), "plugins_registry"), "--count", fmt.Sprint(c.Config.GPUs)},
	}
}

// joined returns nil when the node is Ready and has its GPUs.
func (c *Cluster) joined(ctx context.Context, name string) error {
	raw, err := c.fetch(ctx, c.plane().Server()+"/api/v1/nodes/"+name)
	if err != nil {
		return err
	}
	var seen struct {
		Status struct {
			Conditions  []struct{ Type, Status string }
			Allocatable map[string]string
		}
	}
	if err := json.Unmarshal(raw, &seen); err != nil {
		return err
	}
	for _, condition := range seen.Status.Conditions {
		if condition.Type == "Ready" && condition.Status != "True" {
			return errors.New("it is not Ready")
		}
	}
	want := fmt.Sprint(c.Config.GPUs)
	if have := seen.Status.Allocatable[gpu.Resource]; c.Config.GPUs > 0 && have != want {
		return fmt.Errorf("it has %q GPUs of %s", have, want)
	}
	return nil
}

func (c *Cluster) labelNodes(ctx context.Context) error {
	if len(c.Config.NodeLabels) == 0 {
		return nil
	}
	args := []string{"label", "--overwrite", "node", "--all"}
	for _, key := range slices.Sorted(maps.Keys(c.Config.NodeLabels)) {
		args = append(args, key+"="+c.Config.NodeLabels[key])
	}
	_, err := c.Kubectl().Run(ctx, args...)
	return err
}

// stopNodes removes pods and node processes. The control plane is stopped by the caller, the network last.
func (c *Cluster) stopNodes() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var failed error
	for _, n := range c.nodes() {
		failed = errors.Join(failed, c.processes().Stop("kubelet-"+n.Name, 3*time.Second),
			c.processes().Stop("gpus-"+n.Name, time.Second))
	}
	failed = errors.Join(failed, c.processes().Stop("kube-proxy", 2*time.Second), machine.RemoveTables("kube-proxy"))
	group, _ := errgroup.WithContext(ctx)
	for _, n := range c.nodes() {
		group.Go(func() error { return c.stopRuntime(ctx, n) })
	}
	return errors.Join(failed, group.Wait())
}

// stopRuntime removes the pods of one node. What containerd cannot remove any more goes with its cgroup.
func (c *Cluster) stopRuntime(ctx context.Context, n node.Node) error {
	spec := n.ContainerdSpec()
	if record, err := c.processes().Find(spec.Name); err == nil && !record.Alive() {
		if err := c.processes().Resume(spec.Name); err != nil {
			c.say("containerd of %s does not start again: %v", n.Name, err)
		}
	}
	ready, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := c.await(ready, "containerd of "+n.Name, func(ctx context.Context) error { return cri.Ready(ctx, n.Socket()) })
	if err == nil {
		err = cri.RemovePods(ctx, n.Socket())
	}
	if err != nil {
		c.say("pods of %s are killed: %v", n.Name, err)
	}
	return errors.Join(
		c.processes().Stop(spec.Name, 3*time.Second),
		machine.KillByArgument(n.Socket()),
		machine.RemoveCGroup(n.CGroup),
		machine.UnmountUnder(n.Run, n.Dir),
	)
}

// restoreMachine undoes prepareMachine, after the last process that used the network is gone.
func (c *Cluster) restoreMachine() error {
	if c.Config.Tier != state.TierNode {
		return nil
	}
	failed := errors.Join(
		c.bridge().Down(),
		machine.RemoveCGroup(node.CGroup(c.Config.Name)),
		os.RemoveAll(node.RunDir(c.Config.Name)),
	)
	if c.Config.Machine == nil {
		return failed
	}
	return errors.Join(failed, machine.RestoreSysctls(c.Config.Machine.Sysctls),
		machine.RemoveMade(c.Config.Machine.Missing, string(c.Dir), node.NetworkPrefix))
}

// hostsOfRegistry returns the names in the certificate of the registry's TLS front.
func hostsOfRegistry() []string { return append(registry.Names(), node.Gateway) }
