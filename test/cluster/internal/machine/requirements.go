// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// capabilities that containers cannot be made without, by their number in the kernel.
func capabilities() map[string]uint {
	return map[string]uint{"CAP_SYS_ADMIN": 21, "CAP_NET_ADMIN": 12, "CAP_SYS_CHROOT": 18, "CAP_MKNOD": 27, "CAP_SETUID": 7}
}

// CNIDir returns where the network plugins are: Debian's place or the upstream one.
func CNIDir() string {
	for _, dir := range []string{"/usr/lib/cni", "/opt/cni/bin"} {
		if _, err := os.Stat(filepath.Join(dir, "bridge")); err == nil {
			return dir
		}
	}
	return ""
}

// Problems returns what this machine lacks, each with what to do about it; empty means that tier node can run.
func Problems(stateDir string) []string {
	if os.Geteuid() != 0 {
		return []string{"not root: run it as root"}
	}
	problems := append(missingCapabilities(), missingKernel()...)
	if otherKubelet() {
		problems = append(problems, "another kubelet uses /var/lib/kubelet/device-plugins: use its cluster by KUBECONFIG")
	}
	problems = append(problems, missingPrograms()...)
	return append(problems, unusableState(stateDir)...)
}

func missingCapabilities() []string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return []string{"/proc is not mounted"}
	}
	var problems []string
	for line := range strings.Lines(string(status)) {
		value, found := strings.CutPrefix(line, "CapEff:")
		if !found {
			continue
		}
		have, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return []string{"unknown form of CapEff: " + value}
		}
		for name, bit := range capabilities() {
			if have&(1<<bit) == 0 {
				problems = append(problems, "no "+name+": run it outside a container, or in a privileged one")
			}
		}
	}
	return problems
}

func missingKernel() []string {
	var problems []string
	for _, namespace := range []string{"net", "mnt", "pid", "ipc", "uts"} {
		if _, err := os.Stat("/proc/self/ns/" + namespace); err != nil {
			problems = append(problems, "the kernel has no "+namespace+" namespaces")
		}
	}
	if !hasOverlay() {
		problems = append(problems, "the kernel has no overlayfs (try: modprobe overlay)")
	}
	roots, err := hierarchies()
	if err != nil || len(roots) == 0 {
		problems = append(problems, "no cgroup hierarchy is mounted under "+cgroupRoot)
	}
	for _, root := range roots {
		if unix.Access(root, unix.W_OK) != nil {
			problems = append(problems, "the cgroup hierarchy "+root+" is read-only")
		}
	}
	return problems
}

func hasOverlay() bool {
	for range 2 {
		known, err := os.ReadFile("/proc/filesystems")
		if err == nil && strings.Contains(string(known), "\toverlay\n") {
			return true
		}
		// As a module it is unknown until it is first asked for.
		_ = exec.Command("modprobe", "overlay").Run()
	}
	return false
}

func missingPrograms() []string {
	const install = " (hack/install-deps.sh installs it)"
	var problems []string
	for _, program := range []string{"runc", "nft", "iptables", "conntrack", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			problems = append(problems, "no program "+program+install)
		}
	}
	if CNIDir() == "" {
		problems = append(problems, "no CNI plugins in /usr/lib/cni or /opt/cni/bin"+install)
	}
	return problems
}

func unusableState(dir string) []string {
	var problems []string
	// kubelet's socket for device plugins lies in it and may have no more than 107 characters.
	if longest := 60; len(dir) > longest {
		problems = append(problems, fmt.Sprintf("the state directory %s is longer than %d characters: choose another with --state", dir, longest))
	}
	for at := dir; ; at = filepath.Dir(at) {
		var fs unix.Statfs_t
		if err := unix.Statfs(at, &fs); err != nil && at != "/" {
			continue
		}
		if fs.Type == unix.OVERLAYFS_SUPER_MAGIC {
			problems = append(problems, dir+" is itself on overlayfs, where containers cannot be stacked: choose another place with --state")
		}
		return problems
	}
}
