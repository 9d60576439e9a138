// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
)

// watchdog tidies up should the tests die before they can: a test binary that runs into its time limit panics, and then
// nobody is left to stop the operator and the cluster.
type watchdog struct {
	mu      sync.Mutex
	command *exec.Cmd
	orders  io.WriteCloser
}

// newWatchdog starts a shell that reads orders from a pipe until the pipe closes, which it does when this process ends in
// whatever way, and then carries them out. After the word released there is nothing to do.
func newWatchdog() (*watchdog, error) {
	const script = `
while read -r order what; do
  case $order in
    kill) pids="$pids $what" ;;
    down) cluster=$what ;;
    released) exit 0 ;;
  esac
done
for pid in $pids; do kill -KILL "$pid"; done
[ -z "$cluster" ] || exec "$cluster" down --tier node`
	command := exec.Command("/bin/sh", "-c", script)
	// An interrupt from the terminal is for the tests; the watchdog outlives them.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	orders, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting the watchdog: %w", err)
	}
	return &watchdog{command: command, orders: orders}, nil
}

func (w *watchdog) order(what string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := fmt.Fprintln(w.orders, what); err != nil {
		return fmt.Errorf("telling the watchdog: %w", err)
	}
	return nil
}

func (w *watchdog) release() error {
	if err := w.order("released"); err != nil {
		return err
	}
	return w.command.Wait()
}
