// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/controlplane"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/process"
)

// kubeletConfig is written as maps: the types would bring all of k8s.io/kubelet's requirements with them.
func (n Node) kubeletConfig() (string, error) {
	raw, err := yaml.Marshal(map[string]any{
		"apiVersion":     "kubelet.config.k8s.io/v1beta1",
		"kind":           "KubeletConfiguration",
		"address":        n.Address,
		"port":           10250,
		"readOnlyPort":   0,
		"healthzPort":    10248,
		"staticPodPath":  n.path("manifests"),
		"podLogsDir":     n.path("pod-logs"),
		"clusterDomain":  controlplane.ClusterDomain,
		"clusterDNS":     []string{controlplane.DNSServiceIP},
		"resolvConf":     n.path("resolv.conf"),
		"cgroupDriver":   "cgroupfs",
		"cgroupRoot":     n.CGroup,
		"cgroupsPerQOS":  true,
		"failCgroupV1":   false,
		"failSwapOn":     false,
		"maxPods":        110,
		"registerNode":   true,
		"authentication": n.kubeletAuthentication(),
		"authorization":  map[string]any{"mode": "Webhook"},
		"tlsCertFile":    filepath.Join(n.PKI, n.Name+".crt"),

		"healthzBindAddress":       n.Address,
		"tlsPrivateKeyFile":        filepath.Join(n.PKI, n.Name+".key"),
		"containerRuntimeEndpoint": "unix://" + n.Socket(),
		"volumePluginDir":          n.path("volume-plugins"),
		"enforceNodeAllocatable":   []string{},
		// kube-proxy needs none of them, and nobody would remove them.
		"makeIPTablesUtilChains": false,
		// A developer's disk is often nearly full; evicting the cluster for that helps nobody.
		"evictionHard": map[string]string{
			"memory.available": "100Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%",
		},
		"imageGCHighThresholdPercent": 100,
		"imageGCLowThresholdPercent":  99,
		// The two keep a change of a pod from waiting for the next minute.
		"configMapAndSecretChangeDetectionStrategy": "Watch",
		"serializeImagePulls":                       false,
		"nodeStatusUpdateFrequency":                 "10s",
		"nodeStatusReportFrequency":                 "1m",
		"kubeAPIQPS":                                200,
		"kubeAPIBurst":                              400,
	})
	return string(raw), err
}

func (n Node) kubeletAuthentication() map[string]any {
	return map[string]any{
		"anonymous": map[string]any{"enabled": false},
		"webhook":   map[string]any{"enabled": true},
		"x509":      map[string]any{"clientCAFile": filepath.Join(n.PKI, "ca.crt")},
	}
}

// Proxy is the one kube-proxy of the machine: its rules serve every node on it.
type Proxy struct {
	Program, Kubeconfig, ConfigFile string
	// Masquerade hides pods' addresses from each other behind Services; needed where bridged packets bypass netfilter.
	Masquerade bool
}

// Config returns the content of the configuration file.
func (p Proxy) Config() (string, error) {
	raw, err := yaml.Marshal(map[string]any{
		"apiVersion":         "kubeproxy.config.k8s.io/v1alpha1",
		"kind":               "KubeProxyConfiguration",
		"bindAddress":        Gateway,
		"healthzBindAddress": Gateway + ":10256",
		"metricsBindAddress": Gateway + ":10249",
		"hostnameOverride":   "node-1",
		"mode":               "nftables",
		"clusterCIDR":        PodCIDR,
		"clientConnection":   map[string]any{"kubeconfig": p.Kubeconfig, "qps": 100, "burst": 200},
		"nftables":           map[string]any{"masqueradeAll": p.Masquerade, "minSyncPeriod": "100ms"},
		// Zero leaves the machine's own settings alone, which are not ours to change.
		"conntrack": map[string]any{
			"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s",
		},
	})
	return string(raw), err
}

// Spec returns how kube-proxy runs.
func (p Proxy) Spec() process.Spec {
	return process.Spec{
		Name: "kube-proxy", Path: p.Program, Args: []string{"--config=" + p.ConfigFile},
		Endpoint: "http://" + Gateway + ":10256",
	}
}
