// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package machine changes the host for tier node, and puts everything back.
package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Bridge is the network that all pods, nodes and the control plane share.
type Bridge struct {
	Name string
	// Addresses with their prefix length; the first is the pods' gateway.
	Addresses []string
	// Services is the range of cluster IPs. On a machine without a default route the kernel refuses to send there before
	// kube-proxy can translate.
	Services string
}

// Exists tells whether the bridge is there.
func (b Bridge) Exists() bool {
	// Not by /sys, which may show another network namespace than the one that this process is in.
	_, err := net.InterfaceByName(b.Name)
	return err == nil
}

// Up makes the bridge.
func (b Bridge) Up() error {
	commands := [][]string{
		{"link", "add", b.Name, "type", "bridge"},
		// A bridge without an address of its own takes that of its lowest port, and changes it with every pod.
		{"link", "set", b.Name, "address", "0a:58:0a:f4:00:01"},
	}
	for _, address := range b.Addresses {
		commands = append(commands, []string{"addr", "add", address, "dev", b.Name})
	}
	commands = append(commands, []string{"link", "set", b.Name, "up"}, []string{"route", "add", b.Services, "dev", b.Name})
	for _, command := range commands {
		if err := run("ip", command...); err != nil {
			return err
		}
	}
	return nil
}

// Down removes the bridge and every interface of a pod that is still plugged into it.
func (b Bridge) Down() error {
	if !b.Exists() {
		return nil
	}
	listed, err := exec.Command("ip", "-oneline", "link", "show", "master", b.Name).Output()
	if err != nil {
		return fmt.Errorf("listing what is plugged into %s: %w", b.Name, err)
	}
	var failed error
	for line := range strings.Lines(string(listed)) {
		// 7: veth1a2b3c@if2: <BROADCAST,…
		_, rest, _ := strings.Cut(line, ": ")
		port, _, _ := strings.Cut(rest, ":")
		port, _, _ = strings.Cut(port, "@")
		failed = errors.Join(failed, run("ip", "link", "del", port))
	}
	return errors.Join(failed, run("ip", "link", "del", b.Name))
}

// RemoveTables removes the nftables tables of a name, in both families.
func RemoveTables(name string) error {
	var failed error
	for _, family := range []string{"ip", "ip6"} {
		if run("nft", "list", "table", family, name) != nil {
			continue
		}
		failed = errors.Join(failed, run("nft", "delete", "table", family, name))
	}
	return failed
}

func run(program string, args ...string) error {
	output, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}

// Sysctls lists what kubelet, kube-proxy and the pod network set.
func Sysctls() []string {
	return []string{
		"net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables", "net/ipv4/conf/all/route_localnet",
		"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
		"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes", "net/netfilter/nf_conntrack_max",
		"net/netfilter/nf_conntrack_tcp_be_liberal",
	}
}

// ReadSysctls returns the current values; what this kernel lacks is left out.
func ReadSysctls() map[string]string {
	values := make(map[string]string)
	for _, key := range Sysctls() {
		if raw, err := os.ReadFile(filepath.Join("/proc/sys", key)); err == nil {
			values[key] = strings.TrimSpace(string(raw))
		}
	}
	return values
}

// RestoreSysctls writes back what differs.
func RestoreSysctls(before map[string]string) error {
	now := ReadSysctls()
	var failed error
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if now[key] != before[key] {
			failed = errors.Join(failed, WriteSysctl(key, before[key]))
		}
	}
	return failed
}

// WriteSysctl sets one value; a setting that this kernel lacks is no error.
func WriteSysctl(key, value string) error {
	err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// BridgedPacketsFiltered tells whether packets from pod to pod on one bridge pass netfilter, where kube-proxy's
// translation of Services happens.
func BridgedPacketsFiltered() bool {
	raw, err := os.ReadFile("/proc/sys/net/bridge/bridge-nf-call-iptables")
	return err == nil && strings.TrimSpace(string(raw)) == "1"
}
