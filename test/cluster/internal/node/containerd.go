// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"encoding/json"
	"fmt"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/registry"
)

// containerdConfig keeps two containerds of one machine apart: root, state, sockets and runc's state are the
// node's own, and plugins that listen at a fixed place are off.
func (n Node) containerdConfig() string {
	return fmt.Sprintf(`version = 3
root = %[1]q
state = %[2]q
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.erofs", "io.containerd.differ.v1.erofs", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
address = %[3]q

[ttrpc]
address = %[4]q

[plugins.'io.containerd.nri.v1.nri']
disable = true

[plugins.'io.containerd.cri.v1.images']
snapshotter = "overlayfs"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = %[5]q
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = %[6]q

[plugins.'io.containerd.cri.v1.runtime']
disable_apparmor = true
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = "runc"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = false
Root = %[7]q
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = [%[8]q]
conf_dir = %[9]q
`, n.path("containerd"), n.Run+"/state", n.Socket(), n.Socket()+".ttrpc", Sandbox, n.path("certs.d"),
		n.Run+"/runc", n.CNI, n.path("cni"))
}

// mirrors returns the hosts.toml of each registry that the local one stands for. The server line keeps a
// missing image from being looked for on the internet.
func mirrors() map[string]string {
	files := make(map[string]string)
	for _, host := range registry.Hosts() {
		base := fmt.Sprintf("http://%s/v2/%s", Registry, host)
		files[host] = fmt.Sprintf(`server = %[1]q
override_path = true

[host.%[1]q]
capabilities = ["pull", "resolve"]
override_path = true
`, base)
	}
	return files
}

// cniConfig puts every pod on the one bridge, each node with a range of its own. The bridge has its address
// already; the plugin must not give it another.
func (n Node) cniConfig() (string, error) {
	addresses := map[string]any{
		"subnet":     PodCIDR,
		"rangeStart": fmt.Sprintf("10.244.%d.2", n.number),
		"rangeEnd":   fmt.Sprintf("10.244.%d.254", n.number),
		"gateway":    Gateway,
	}
	raw, err := json.MarshalIndent(map[string]any{
		"cniVersion": "1.0.0",
		"name":       NetworkPrefix + n.Name,
		"plugins": []any{map[string]any{
			"type": "bridge", "bridge": Bridge, "hairpinMode": true,
			"ipam": map[string]any{
				"type": "host-local", "dataDir": n.path("ipam"),
				"ranges": [][]any{{addresses}},
				"routes": []any{map[string]any{"dst": "0.0.0.0/0"}},
			},
		}},
	}, "", "  ")
	return string(raw) + "\n", err
}
