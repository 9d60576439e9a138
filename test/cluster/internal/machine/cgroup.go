// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const cgroupRoot = "/sys/fs/cgroup"

// unified tells whether the machine has cgroup v2 only.
func unified() bool {
	_, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers"))
	return err == nil
}

// hierarchies returns the mount points that processes are sorted into: one with v2, one per controller with v1.
func hierarchies() ([]string, error) {
	if unified() {
		return []string{cgroupRoot}, nil
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 2 && strings.HasPrefix(fields[2], "cgroup") {
			found = append(found, fields[1])
		}
	}
	return found, nil
}

// MakeCGroup makes a cgroup in every hierarchy; kubelet refuses to start below one that is missing.
func MakeCGroup(path string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		at := root
		for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
			if err := makeChild(at, name); err != nil {
				return err
			}
			at = filepath.Join(at, name)
		}
	}
	return nil
}

func makeChild(parent, name string) error {
	if unified() {
		if err := delegate(parent); err != nil {
			return err
		}
	}
	child := filepath.Join(parent, name)
	if err := os.Mkdir(child, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the cgroup %s: %w", child, err)
	}
	return inheritCPUs(parent, child)
}

// delegate turns the controllers of v2 on for the children of a cgroup.
func delegate(at string) error {
	control := filepath.Join(at, "cgroup.subtree_control")
	if err := os.WriteFile(control, []byte("+cpu +cpuset +memory +pids"), 0o644); err != nil {
		return fmt.Errorf("delegating cgroup controllers in %s: %w", at, err)
	}
	return nil
}

// inheritCPUs fills a new cpuset of v1, which starts empty and takes no process until it is filled.
func inheritCPUs(parent, child string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, name))
		if unified() || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(child, name), value, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// RemoveCGroup kills what still runs in a cgroup or below and removes it.
func RemoveCGroup(path string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	var failed error
	for _, root := range roots {
		failed = errors.Join(failed, removeTree(filepath.Join(root, path)))
	}
	return failed
}

func removeTree(top string) error {
	var dirs []string
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		// Groups vanish while pods end: that is what is wanted.
		return nil
	})
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		killAll(dir)
		if err := removeEmptied(dir); err != nil {
			return fmt.Errorf("removing the cgroup %s: %w", dir, err)
		}
	}
	return nil
}

func killAll(dir string) {
	raw, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return
	}
	for field := range strings.FieldsSeq(string(raw)) {
		if pid, err := strconv.Atoi(field); err == nil {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// removeEmptied retries for a moment: a killed process leaves its group only when it is buried.
func removeEmptied(dir string) error {
	return retry(func() error {
		err := unix.Rmdir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}
