// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Inventory returns everything on this machine that a cluster of tier node changes, by kind: what is the same
// before `up` and after `down` was left behind by nobody.
func Inventory(stateDir string) (map[string][]string, error) {
	processes, err := processesOf(stateDir)
	if err != nil {
		return nil, err
	}
	mounts, err := MountsUnder("")
	if err != nil {
		return nil, err
	}
	links, err := filepath.Glob("/sys/class/net/*")
	if err != nil {
		return nil, err
	}
	cgroups, err := cgroupDirs()
	if err != nil {
		return nil, err
	}
	sysctls := make([]string, 0)
	for key, value := range ReadSysctls() {
		sysctls = append(sysctls, key+"="+value)
	}
	found := map[string][]string{
		"processes": processes, "mounts": mounts, "links": links, "cgroups": cgroups, "sysctls": sysctls,
		"nftables": lines("nft", "list", "tables"), "iptables": lines("iptables-save"),
		"addresses": lines("ip", "-o", "addr", "show", "up"), "routes": lines("ip", "route"),
		"network namespaces": lines("ip", "netns"), "directories": directories(),
	}
	for _, entries := range found {
		slices.Sort(entries)
	}
	return found, nil
}

// lines returns what a program prints, without what changes by itself.
func lines(program string, args ...string) []string {
	output, err := exec.Command(program, args...).Output()
	if err != nil {
		return []string{}
	}
	var kept []string
	for line := range strings.Lines(string(output)) {
		// Comments of iptables-save hold the time.
		if !strings.HasPrefix(line, "#") {
			kept = append(kept, strings.TrimSpace(line))
		}
	}
	return kept
}

// processesOf returns the programs of what runs for the cluster of a state directory, or in any pod.
func processesOf(stateDir string) ([]string, error) {
	executables, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return nil, err
	}
	found := make([]string, 0)
	for _, link := range executables {
		path, err := os.Readlink(link)
		if err != nil {
			continue
		}
		arguments, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
		group, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "cgroup"))
		isShim := filepath.Base(path) == "containerd-shim-runc-v2"
		if isShim || strings.Contains(string(arguments), stateDir+"/") || strings.Contains(string(group), "workspace-cluster") {
			found = append(found, path)
		}
	}
	return found, nil
}

func cgroupDirs() ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(cgroupRoot, func(path string, entry fs.DirEntry, err error) error {
		// Others' groups come and go while this looks.
		if err == nil && entry.IsDir() && strings.Contains(path, "workspace-cluster") {
			dirs = append(dirs, path)
		}
		return nil
	})
	return dirs, err
}

// directories returns what lies directly in the places where system programs put their state.
func directories() []string {
	var found []string
	for _, parent := range []string{"/run", "/var/lib", "/var/log", "/opt", "/etc", "/usr/libexec", "/run/netns", "/run/containerd", "/var/lib/cni/results"} {
		entries, err := filepath.Glob(filepath.Join(parent, "*"))
		if err == nil {
			found = append(found, entries...)
		}
	}
	return found
}
