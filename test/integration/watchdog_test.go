// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// watchdog ends what the tests started should they die before they can: a test that runs into its time limit panics, and
// then nobody is left to stop the servers.
type watchdog struct {
	mu      sync.Mutex
	command *exec.Cmd
	pids    io.WriteCloser
	known   map[int]bool
}

// newWatchdog starts a shell that reads process ids from a pipe until the pipe closes, which it does when this process
// ends in whatever way. After the word released there is nothing to end.
func newWatchdog(dir string) (*watchdog, error) {
	const script = `while read -r pid; do [ "$pid" != released ] || exit 0; pids="$pids $pid"; done
[ -z "$pids" ] || kill -KILL $pids
rm -rf "$1"`
	command := exec.Command("/bin/sh", "-c", script, "watchdog", dir)
	// An interrupt from the terminal is for the tests; the watchdog outlives them.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pids, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting the watchdog: %w", err)
	}
	return &watchdog{command: command, pids: pids, known: map[int]bool{command.Process.Pid: true}}, nil
}

// adopt takes note of every child of this process that it does not know yet.
func (w *watchdog) adopt() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, pid := range children(os.Getpid()) {
		if w.known[pid] {
			continue
		}
		w.known[pid] = true
		if _, err := fmt.Fprintln(w.pids, pid); err != nil {
			return fmt.Errorf("telling the watchdog: %w", err)
		}
	}
	return nil
}

func (w *watchdog) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = fmt.Fprintln(w.pids, "released")
	_ = w.pids.Close()
	_ = w.command.Wait()
}

// children are the processes whose parent is pid, where there is a /proc to tell.
func children(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var found []int
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// The program's name is in parentheses and may hold anything; state and parent follow.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) > 1 && string(fields[1]) == strconv.Itoa(pid) {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}
