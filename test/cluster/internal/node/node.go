// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package node spells out the configuration of a node: containerd, its network, kubelet and kube-proxy.
package node

import (
	"fmt"
	"path/filepath"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/process"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/state"
)

// The network of tier node. Everything that pods must reach listens on the gateway's address.
const (
	Bridge  = "wsc0"
	Gateway = "10.244.0.1"
	PodCIDR = "10.244.0.0/16"
	Prefix  = "/16"
	// NetworkPrefix begins the names of the nodes' networks, by which the CNI plugins keep their results.
	NetworkPrefix = "workspace-cluster-"
	Registry      = Gateway + ":15000"
	Front         = Gateway + ":443"
	// APIPort is fixed: the network is, too, so there is only one cluster of this tier on a machine.
	APIPort = 16443
	// Sandbox is the image that holds a pod's namespaces.
	Sandbox = "registry.k8s.io/pause:3.10.1"
)

// Max is how many nodes fit into the address plan.
const Max = 8

// Node is one kubelet with a containerd of its own.
type Node struct {
	Name string
	// Address is the node's own address on the bridge.
	Address string
	// number is 1 for the first node.
	number int
	// Dir keeps what may be large, Run holds sockets and mounts.
	Dir, Run string
	// Bin is where containerd and its shim are, Programs where kubelet is.
	Bin, Programs string
	// PKI is the directory of the certificates, Kubeconfig the kubelet's.
	PKI, Kubeconfig string
	// CGroup is the parent of everything that runs on this node.
	CGroup string
	// CNI is the directory of the network plugins.
	CNI string
}

// Plan returns the nodes of a cluster.
func Plan(dir state.Dir, config state.Config, bin, cni string) []Node {
	nodes := make([]Node, 0, config.Nodes)
	for i := range config.Nodes {
		name := fmt.Sprintf("node-%d", i+1)
		nodes = append(nodes, Node{
			Name: name, number: i + 1, Address: fmt.Sprintf("10.244.0.%d", 11+i),
			Dir: dir.Node(name), Run: filepath.Join(RunDir(config.Name), name),
			Bin: bin, Programs: filepath.Join(bin, "k8s"),
			PKI: dir.PKI(), Kubeconfig: dir.Under("kubeconfigs", name),
			CGroup: CGroup(config.Name) + "/" + name, CNI: cni,
		})
	}
	return nodes
}

// RunDir is where sockets and mounts of a cluster are: a socket's path may have no more than 107 characters.
func RunDir(cluster string) string { return "/run/workspace-cluster/" + cluster }

// CGroup is the parent cgroup of a cluster.
func CGroup(cluster string) string { return "/workspace-cluster-" + cluster }

// Socket returns where the node's containerd listens.
func (n Node) Socket() string { return filepath.Join(n.Run, "containerd.sock") }

// KubeletDir returns the kubelet's root directory.
func (n Node) KubeletDir() string { return filepath.Join(n.Dir, "kubelet") }

func (n Node) path(elem ...string) string { return filepath.Join(append([]string{n.Dir}, elem...)...) }

// Dirs returns the directories that must exist before anything starts.
func (n Node) Dirs() []string {
	return []string{
		n.Run, n.KubeletDir(), n.path("containerd"), n.path("cni"), n.path("certs.d"), n.path("volume-plugins"),
		n.path("pod-logs"), n.path("ipam"), n.path("manifests"),
	}
}

// ContainerdSpec returns how containerd runs.
func (n Node) ContainerdSpec() process.Spec {
	return process.Spec{
		Name: "containerd-" + n.Name, Path: filepath.Join(n.Bin, "containerd"), Endpoint: "unix://" + n.Socket(),
		Args: []string{"--config", n.path("containerd.toml")},
	}
}

// KubeletSpec returns how the kubelet runs.
func (n Node) KubeletSpec() process.Spec {
	return process.Spec{
		Name: "kubelet-" + n.Name, Path: filepath.Join(n.Programs, "kubelet"),
		Endpoint: "https://" + n.Address + ":10250",
		Args: []string{
			"--config=" + n.path("kubelet.yaml"),
			"--kubeconfig=" + n.Kubeconfig,
			"--root-dir=" + n.KubeletDir(),
			"--cert-dir=" + n.path("kubelet-certs"),
			"--hostname-override=" + n.Name,
			"--node-ip=" + n.Address,
		},
	}
}

// Files returns the configuration files of the node, by path.
func (n Node) Files() (map[string]string, error) {
	kubelet, err := n.kubeletConfig()
	if err != nil {
		return nil, err
	}
	network, err := n.cniConfig()
	if err != nil {
		return nil, err
	}
	files := map[string]string{
		n.path("containerd.toml"):            n.containerdConfig(),
		n.path("kubelet.yaml"):               kubelet,
		n.path("cni", "10-cluster.conflist"): network,
		// Pods with the node's resolver ask nobody: there is no internet to resolve names of.
		n.path("resolv.conf"): "nameserver 127.0.0.1\n",
	}
	for host, content := range mirrors() {
		files[n.path("certs.d", host, "hosts.toml")] = content
	}
	return files, nil
}
