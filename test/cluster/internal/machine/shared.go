// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// leaves lists the places of the machine that containerd's shims, the network plugins and kubelet write to,
// whatever they are told. All of them is theirs.
func leaves() []string {
	return []string{
		"/run/containerd/s", "/var/lib/cni/results", "/var/log/containers", "/var/lib/kubelet/device-plugins",
	}
}

// parents lists the directories that come with the leaves and only go when they are empty; /run/mount is made by
// mount(8), which kubelet calls.
func parents() []string {
	return []string{"/run/workspace-cluster", "/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/run/mount"}
}

// Missing returns those shared places that do not exist.
func Missing() []string {
	return slices.DeleteFunc(slices.Concat(leaves(), parents()), func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil
	})
}

// RemoveMade removes the shared places that were missing before, and our own entries from the others.
func RemoveMade(missing []string, stateDir, network string) error {
	failed := errors.Join(
		removeEntries("/var/log/containers", func(path string) bool {
			target, err := os.Readlink(path)
			return err == nil && strings.HasPrefix(target, stateDir+"/")
		}),
		removeEntries("/var/lib/cni/results", func(path string) bool {
			return strings.HasPrefix(filepath.Base(path), network)
		}),
	)
	for _, path := range leaves() {
		if !slices.Contains(missing, path) {
			continue
		}
		if left, err := MountsUnder(path); err != nil || len(left) > 0 {
			failed = errors.Join(failed, err, fmt.Errorf("something is mounted under %s: %v", path, left))
			continue
		}
		failed = errors.Join(failed, os.RemoveAll(path))
	}
	for _, path := range parents() {
		if !slices.Contains(missing, path) {
			continue
		}
		err := os.Remove(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

func removeEntries(dir string, ours func(path string) bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	failed := err
	for _, entry := range entries {
		if path := filepath.Join(dir, entry.Name()); ours(path) {
			failed = errors.Join(failed, os.Remove(path))
		}
	}
	return failed
}

// otherKubelet tells whether a kubelet runs here whose device plugins a second one would cut off.
func otherKubelet() bool {
	connection, err := net.Dial("unix", "/var/lib/kubelet/device-plugins/kubelet.sock")
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}
