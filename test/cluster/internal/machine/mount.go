// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// retry tries for two seconds what the kernel may need a moment for.
func retry(try func() error) error {
	deadline := time.Now().Add(2 * time.Second)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		<-time.After(20 * time.Millisecond)
	}
}

// MountsUnder returns the mount points below the directories, the innermost first.
func MountsUnder(dirs ...string) ([]string, error) {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescape(fields[4])
		if slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(point, dir+"/") }) {
			found = append(found, point)
		}
	}
	slices.Reverse(found)
	return found, nil
}

// unescape reads the octal escapes that the kernel writes for blanks in paths.
func unescape(path string) string {
	for _, escape := range []struct{ from, to string }{{`\040`, " "}, {`\011`, "\t"}, {`\012`, "\n"}, {`\134`, `\`}} {
		path = strings.ReplaceAll(path, escape.from, escape.to)
	}
	return path
}

// UnmountUnder unmounts everything below the directories.
func UnmountUnder(dirs ...string) error {
	points, err := MountsUnder(dirs...)
	if err != nil {
		return err
	}
	var failed error
	for _, point := range points {
		// Detached: a process that is just ending must not keep the mount.
		if err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) {
			failed = errors.Join(failed, fmt.Errorf("unmounting %s: %w", point, err))
		}
	}
	return failed
}

// KillByArgument kills every process whose command line has exactly this argument: containerd's shims outlive
// it, and carry its socket's path, which no other process has.
func KillByArgument(argument string) error {
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		raw, err := os.ReadFile(entry)
		if err != nil {
			continue
		}
		args := bytes.Split(raw, []byte{0})
		if !slices.ContainsFunc(args, func(arg []byte) bool { return string(arg) == argument }) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(entry))); err == nil && pid != os.Getpid() {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	return nil
}
