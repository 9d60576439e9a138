// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package subject runs what is measured, as a process of its own, and looks at it from outside.
package subject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a running program.
type Process struct {
	cmd     *exec.Cmd
	log     *os.File
	metrics string
	// Pprof is where profiles are served; empty for programs that serve none.
	Pprof  string
	exited chan struct{}
}

// Start runs a program that ends with ctx at the latest. Its output goes to a file of dir.
func Start(ctx context.Context, dir, kubeconfig string, command ...string) (*Process, error) {
	log, err := os.OpenFile(filepath.Join(dir, filepath.Base(command[0])+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening a log: %w", err)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", command[0], err)
	}
	p := &Process{cmd: cmd, log: log, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// StartController runs the operator with its default flags and waits until it is ready.
func StartController(ctx context.Context, binary, dir, kubeconfig, config string) (*Process, error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	at := func(i int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[i])) }
	p, err := Start(ctx, dir, kubeconfig, binary, "--namespace=workspace-system", "--config="+config,
		"--metrics-bind-address="+at(0), "--metrics-secure=false", "--health-probe-bind-address="+at(1), "--pprof-bind-address="+at(2))
	if err != nil {
		return nil, err
	}
	p.metrics, p.Pprof = "http://"+at(0)+"/metrics", "http://"+at(2)+"/debug/pprof/"
	if err := p.waitReady(ctx, "http://"+at(1)+"/readyz"); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// waitReady returns when the controller's caches are filled: only then has its queue been made.
func (p *Process) waitReady(ctx context.Context, url string) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.exited:
			return fmt.Errorf("the controller ended at once: %s", p.lastLines())
		case <-ticker.C:
		}
		if !answers(ctx, url) {
			continue
		}
		m, err := p.Metrics(ctx)
		if err == nil && m.Sum("controller_runtime_max_concurrent_reconciles", `controller="workspace"`) > 0 {
			return nil
		}
	}
}

func answers(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func (p *Process) lastLines() string {
	text, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// Metrics scrapes the controller.
func (p *Process) Metrics(ctx context.Context) (Metrics, error) { return scrape(ctx, p.metrics) }

// Reconciles is how often a Workspace was looked at since the controller started.
func (m Metrics) Reconciles() float64 {
	return m.Sum("controller_runtime_reconcile_total", `controller="workspace"`)
}

// Depth is how many Workspaces wait to be looked at, or are looked at now.
func (m Metrics) Depth() float64 {
	return m.Sum("workqueue_depth", `name="workspace"`) + m.Sum("controller_runtime_active_workers", `controller="workspace"`)
}

// Stop asks the program to end, and kills it if it does not.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	return p.end(20 * time.Second)
}

// Kill ends the program as a crash would.
func (p *Process) Kill() error { return p.end(0) }

func (p *Process) end(grace time.Duration) error {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	return p.log.Close()
}

// Failure is what a program said that ended with an error; nil while it runs, and if it ended well.
func (p *Process) Failure() error {
	select {
	case <-p.exited:
		if p.cmd.ProcessState.Success() {
			return nil
		}
		return fmt.Errorf("%s ended: %s", filepath.Base(p.cmd.Path), p.lastLines())
	default:
		return nil
	}
}

// Exited is closed when the program has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// CPU is the processor time that an ended program used.
func (p *Process) CPU() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// Usage is what the kernel says of a process.
type Usage struct {
	// CPU is the processor time so far, RSS the resident memory now and PeakRSS at its highest, in bytes.
	CPU     time.Duration
	RSS     int64
	PeakRSS int64
}

// Usage is that of a program that runs.
func (p *Process) Usage() (Usage, error) { return UsageOf(p.cmd.Process.Pid) }

// Busy is the processor time that the whole machine spent so far, on whatever.
func Busy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("reading the machine's CPU time: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	// user, nice and system, without idle and waiting, then interrupts and what other machines stole.
	fields := strings.Fields(line)
	ticks := int64(0)
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		ticks += number(fields[i])
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// UsageOf reads /proc.
func UsageOf(pid int) (Usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return Usage{}, fmt.Errorf("reading memory: %w", err)
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Usage{}, fmt.Errorf("reading CPU time: %w", err)
	}
	// The command in parentheses may hold anything; fields 14 and 15 are user and system time in hundredths of a second.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	ticks := number(fields[11]) + number(fields[12])
	return Usage{
		CPU: time.Duration(ticks) * 10 * time.Millisecond,
		RSS: kilobytes(string(status), "VmRSS:"), PeakRSS: kilobytes(string(status), "VmHWM:"),
	}, nil
}

func kilobytes(status, field string) int64 {
	_, rest, _ := strings.Cut(status, field)
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0
	}
	return number(words[0]) << 10
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Profile saves a profile of the controller, such as heap or profile?seconds=10.
func (p *Process) Profile(ctx context.Context, kind, file string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Pprof+kind, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("fetching profile %s: %w", kind, err)
	}
	defer func() { _ = response.Body.Close() }()
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, response.Body)
	return errors.Join(err, out.Close())
}

func freePorts(count int) ([]int, error) {
	var ports []int
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		defer func() { _ = listener.Close() }()
		address, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			return nil, fmt.Errorf("%v is no TCP address", listener.Addr())
		}
		ports = append(ports, address.Port)
	}
	return ports, nil
}
