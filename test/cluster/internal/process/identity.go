// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Grace is how long a process may take to end by itself before it is killed.
type Grace = time.Duration

// Identity names one process for ever: ids are reused, an id with its start time is not.
type Identity struct {
	PID int `json:"pid"`
	// Start is field 22 of /proc/PID/stat: clock ticks since boot.
	Start uint64 `json:"start"`
	// Boot is the kernel's boot id; ticks start anew after each boot.
	Boot string `json:"boot"`
}

func identify(pid int) (Identity, error) {
	stat, err := readStat(pid)
	if err != nil {
		return Identity{}, err
	}
	boot, err := bootID()
	if err != nil {
		return Identity{}, err
	}
	return Identity{PID: pid, Start: stat.start, Boot: boot}, nil
}

func bootID() (string, error) {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(raw)), err
}

// Alive tells whether this process runs; a zombie does not.
func (i Identity) Alive() bool {
	stat, err := readStat(i.PID)
	if err != nil || stat.start != i.Start || stat.state == 'Z' || stat.state == 'X' {
		return false
	}
	boot, err := bootID()
	return err == nil && boot == i.Boot
}

// End terminates the process, kills it after the grace period, and returns when it is gone.
func (i Identity) End(grace Grace) error {
	fd, err := unix.PidfdOpen(i.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening process %d: %w", i.PID, err)
	}
	defer func() { _ = unix.Close(fd) }()
	// The descriptor pins the process, so this check cannot be overtaken by a reuse of its id.
	if !i.Alive() {
		return nil
	}
	for _, step := range []struct {
		signal unix.Signal
		wait   time.Duration
	}{{unix.SIGTERM, grace}, {unix.SIGKILL, 10 * time.Second}} {
		err := unix.PidfdSendSignal(fd, step.signal, nil, 0)
		if errors.Is(err, unix.ESRCH) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("signalling process %d: %w", i.PID, err)
		}
		if ended(fd, step.wait) {
			return nil
		}
	}
	return fmt.Errorf("process %d survives SIGKILL", i.PID)
}

func ended(fd int, wait time.Duration) bool {
	deadline := time.Now().Add(wait)
	for {
		left := max(time.Until(deadline), 0)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if err == nil {
			return n > 0
		}
		if !errors.Is(err, unix.EINTR) {
			return false
		}
	}
}

type stat struct {
	state byte
	start uint64
}

func readStat(pid int) (stat, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(raw))
}

// parseStat reads state (field 3) and start time (field 22). The name in field 2 may hold spaces and
// brackets: fields are counted from the last closing one.
func parseStat(line string) (stat, error) {
	end := strings.LastIndexByte(line, ')')
	fields := strings.Fields(line[end+1:])
	if end < 0 || len(fields) < 20 {
		return stat{}, fmt.Errorf("unknown form of a process's stat: %q", line)
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("start time of a process: %w", err)
	}
	return stat{state: fields[0][0], start: start}, nil
}
