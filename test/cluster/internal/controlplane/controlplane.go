// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controlplane spells out the command lines of etcd, the API server, the controller-manager and
// the scheduler.
package controlplane

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/pki"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/process"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/state"
)

// Names of the parts, of their log files and of their ports.
const (
	Etcd              = "etcd"
	EtcdPeer          = "etcd-peer"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
)

// Addresses inside every cluster.
const (
	ServiceCIDR   = "10.96.0.0/16"
	APIServiceIP  = "10.96.0.1"
	DNSServiceIP  = "10.96.0.10"
	ClusterDomain = "cluster.local"
	issuer        = "https://kubernetes.default.svc." + ClusterDomain
)

// Plane is one control plane.
type Plane struct {
	// Programs is the directory that holds etcd, kube-apiserver and so on.
	Programs string
	Dir      state.Dir
	Config   state.Config
}

// Server returns the API server's URL.
func (p Plane) Server() string { return "https://" + p.address(APIServer) }

func (p Plane) address(part string) string {
	return net.JoinHostPort(p.Config.Host, p.port(part))
}

func (p Plane) port(part string) string { return strconv.Itoa(p.Config.Ports[part]) }

// Kubeconfig returns where the kubeconfig of a part is.
func (p Plane) Kubeconfig(part string) string { return p.Dir.Under("kubeconfigs", part) }

func (p Plane) program(name string) string { return filepath.Join(p.Programs, name) }

func (p Plane) pair(name string) pki.Pair {
	return pki.Pair{Cert: filepath.Join(p.Dir.PKI(), name+".crt"), Key: filepath.Join(p.Dir.PKI(), name+".key")}
}

// Hosts returns every name and address that the API server is called by.
func (p Plane) Hosts() []string {
	return []string{
		p.Config.Host, "127.0.0.1", "localhost", APIServiceIP, "kubernetes", "kubernetes.default",
		"kubernetes.default.svc", "kubernetes.default.svc." + ClusterDomain,
	}
}

// EtcdSpec returns how etcd runs: only for this cluster, and without waiting for the disk.
func (p Plane) EtcdSpec() process.Spec {
	client := "http://127.0.0.1:" + p.port(Etcd)
	peer := "http://127.0.0.1:" + p.port(EtcdPeer)
	return process.Spec{
		Name: Etcd, Path: p.program("etcd"), Endpoint: client,
		Args: []string{
			"--name=default",
			"--data-dir=" + p.Dir.Under("etcd"),
			"--listen-client-urls=" + client,
			"--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer,
			"--initial-advertise-peer-urls=" + peer,
			"--initial-cluster=default=" + peer,
			// What is lost with the machine was a test's: fsync would only cost time.
			"--unsafe-no-fsync",
			"--quota-backend-bytes=8589934592",
			"--log-level=warn",
		},
	}
}

// APIServerSpec returns how the API server runs.
func (p Plane) APIServerSpec() process.Spec {
	ca, serving := p.pair("ca"), p.pair("kube-apiserver")
	accounts, kubelet, proxy := p.pair("service-accounts"), p.pair("kubelet-client"), p.pair("front-proxy-client")
	args := []string{
		"--etcd-servers=http://127.0.0.1:" + p.port(Etcd),
		"--bind-address=" + p.Config.Host,
		"--advertise-address=" + p.Config.Host,
		"--secure-port=" + p.port(APIServer),
		"--cert-dir=" + p.Dir.PKI(),
		"--tls-cert-file=" + serving.Cert,
		"--tls-private-key-file=" + serving.Key,
		"--client-ca-file=" + ca.Cert,
		"--kubelet-certificate-authority=" + ca.Cert,
		"--kubelet-client-certificate=" + kubelet.Cert,
		"--kubelet-client-key=" + kubelet.Key,
		"--kubelet-preferred-address-types=InternalIP",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--service-cluster-ip-range=" + ServiceCIDR,
		"--service-account-issuer=" + issuer,
		"--service-account-key-file=" + accounts.Cert,
		"--service-account-signing-key-file=" + accounts.Key,
		"--allow-privileged=true",
		// Without these the controllers log an error every minute, and no aggregated API could be served.
		"--requestheader-client-ca-file=" + ca.Cert,
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + proxy.Cert,
		"--proxy-client-key-file=" + proxy.Key,
	}
	if p.Config.Tier == state.TierAPI {
		// A loopback address is no valid endpoint: the lease reconciler would log an error every 10 s.
		args = append(args, "--endpoint-reconciler-type=none")
	}
	args = append(args, p.auditArgs()...)
	return process.Spec{
		Name: APIServer, Path: p.program("kube-apiserver"), Endpoint: p.Server(),
		Args: append(args, p.Config.APIServerArgs...),
	}
}

func (p Plane) auditArgs() []string {
	if p.Config.AuditLog == "" {
		return nil
	}
	return []string{
		"--audit-log-path=" + p.Config.AuditLog,
		"--audit-policy-file=" + p.Config.AuditPolicy,
		"--audit-log-format=json",
		// Megabytes: zero would mean the library's default of 100, and a rotated file is a lost count.
		"--audit-log-maxsize=1048576",
	}
}

// AuditPolicy records every request once, when it is answered; a watch when it ends.
func AuditPolicy() string {
	return `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`
}

// ControllerManagerSpec returns how the controller-manager runs: all of it in tier node, and in tier api
// what works without nodes.
func (p Plane) ControllerManagerSpec() process.Spec {
	ca, accounts := p.pair("ca"), p.pair("service-accounts")
	return process.Spec{
		Name: ControllerManager, Path: p.program("kube-controller-manager"),
		Endpoint: "https://" + p.address(ControllerManager),
		Args: append(p.clientArgs(ControllerManager),
			"--controllers="+strings.Join(p.controllers(), ","),
			"--use-service-account-credentials=true",
			"--service-account-private-key-file="+accounts.Key,
			"--root-ca-file="+ca.Cert,
			"--cluster-signing-cert-file="+ca.Cert,
			"--cluster-signing-key-file="+ca.Key,
			// It makes this directory, by default under /usr.
			"--flex-volume-plugin-dir="+p.Dir.Under("volume-plugins"),
			"--concurrent-gc-syncs=20",
			"--concurrent-namespace-syncs=10",
			"--kube-api-qps=500", "--kube-api-burst=1000",
			// Pods of a dead node are of no interest; pods of a slow one must not be evicted.
			"--node-monitor-grace-period=120s",
		),
	}
}

func (p Plane) controllers() []string {
	if p.Config.Tier == state.TierNode {
		return []string{"*"}
	}
	names := []string{
		"garbage-collector-controller", "namespace-controller", "serviceaccount-controller",
		"serviceaccount-token-controller", "root-ca-certificate-publisher-controller",
		"resourcequota-controller", "clusterrole-aggregation-controller",
		"validatingadmissionpolicy-status-controller",
	}
	if p.Config.Workloads {
		names = append(names, "deployment-controller", "replicaset-controller", "statefulset-controller",
			"endpointslice-controller", "disruption-controller")
	}
	return names
}

// SchedulerSpec returns how the scheduler runs.
func (p Plane) SchedulerSpec() process.Spec {
	return process.Spec{
		Name: Scheduler, Path: p.program("kube-scheduler"), Endpoint: "https://" + p.address(Scheduler),
		Args: append(p.clientArgs(Scheduler), "--kube-api-qps=500", "--kube-api-burst=1000"),
	}
}

func (p Plane) clientArgs(part string) []string {
	file := p.Kubeconfig(part)
	serving := p.pair(part)
	return []string{
		"--kubeconfig=" + file,
		"--authentication-kubeconfig=" + file,
		"--authorization-kubeconfig=" + file,
		"--tls-cert-file=" + serving.Cert,
		"--tls-private-key-file=" + serving.Key,
		"--bind-address=" + p.Config.Host,
		"--secure-port=" + p.port(part),
		"--leader-elect=false",
	}
}

// Part is a user of the API with a kubeconfig of its own.
type Part struct {
	Name    string
	Subject pki.Subject
}

// Parts returns the control plane's users.
func (p Plane) Parts() []Part {
	serving := []string{p.Config.Host, "127.0.0.1", "localhost"}
	return []Part{
		{ControllerManager, pki.Subject{Name: "system:kube-controller-manager", Hosts: serving}},
		{Scheduler, pki.Subject{Name: "system:kube-scheduler", Hosts: serving}},
		{"admin", pki.Subject{Name: "cluster-admin", Groups: []string{"system:masters"}}},
	}
}

// PortNames returns the parts that need a port.
func PortNames() []string {
	return []string{Etcd, EtcdPeer, APIServer, ControllerManager, Scheduler}
}

// FreePorts returns a free port of the host for each name. They are held together, so that no two are equal.
func FreePorts(host string, names []string) (map[string]int, error) {
	ports := make(map[string]int, len(names))
	for _, name := range names {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		defer func() { _ = listener.Close() }()
		address, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			return nil, fmt.Errorf("address %v is no TCP address", listener.Addr())
		}
		ports[name] = address.Port
	}
	return ports, nil
}
