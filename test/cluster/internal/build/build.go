// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Builder builds into the bin directory of a repository.
type Builder struct {
	Repository string
	Out        io.Writer
}

// Bin returns where everything that was built lies.
func (b Builder) Bin() string { return filepath.Join(b.Repository, "bin") }

// Lock waits until nobody else builds into the same directory; closing it lets the next one in.
func (b Builder) Lock() (io.Closer, error) {
	dir := filepath.Join(b.Bin(), ".stamps")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("waiting for another build: %w", err), file.Close())
	}
	return file, nil
}

// Build makes the parts that are missing or stale, one after the other: each link step alone takes up to 3 GB.
func (b Builder) Build(ctx context.Context, parts []Part) error {
	for i, part := range parts {
		sum, err := b.fingerprint(part)
		if err != nil {
			return err
		}
		if b.current(part, sum) {
			continue
		}
		label := fmt.Sprintf("build: %s (%d/%d)", part.Name, i+1, len(parts))
		if err := b.compile(ctx, part, label); err != nil {
			return err
		}
		if err := b.link(part); err != nil {
			return err
		}
		if err := b.stamp(part, sum); err != nil {
			return err
		}
	}
	return nil
}

// environment is the one set of flags for building and testing here: another set compiles everything anew.
func environment() []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false", "GOWORK=off")
}

func (b Builder) arguments(part Part) ([]string, error) {
	ldflags := []string{"-s", "-w"}
	settings, err := b.settings(part)
	if err != nil {
		return nil, err
	}
	for _, setting := range settings {
		ldflags = append(ldflags, "-X", setting)
	}
	args := []string{"build", "-v", "-ldflags", strings.Join(ldflags, " ")}
	if part.Tags != "" {
		args = append(args, "-tags", part.Tags)
	}
	output := filepath.Join(b.Bin(), part.Output)
	if strings.HasSuffix(part.Output, "/") {
		output += "/"
	}
	return append(args, "-o", output, part.Package), nil
}

func (b Builder) settings(part Part) ([]string, error) {
	if part.Stamp == nil {
		return nil, nil
	}
	var failed error
	settings := part.Stamp(func(module string) string {
		version, err := Version(b.Repository, part.Name, module)
		failed = errors.Join(failed, err)
		return version
	})
	return settings, failed
}

func (b Builder) compile(ctx context.Context, part Part, label string) error {
	args, err := b.arguments(part)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.Bin(), 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(b.Repository, part.Dir)
	cmd.Env = environment()
	output := &counter{}
	cmd.Stdout, cmd.Stderr = output, output
	stop := b.report(label, output)
	err = cmd.Run()
	stop()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", label, err, output.problems())
	}
	return nil
}

// report says every few seconds how far a build is, until the returned function is called.
func (b Builder) report(label string, output *counter) func() {
	start := time.Now()
	_, _ = fmt.Fprintf(b.Out, "%s\n", label)
	ticker := time.NewTicker(15 * time.Second)
	done := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for {
			select {
			case <-ticker.C:
				_, _ = fmt.Fprintf(b.Out, "%s %.0f s, %d packages\n", label, time.Since(start).Seconds(), output.lines.Load())
			case <-done:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
		<-finished
		_, _ = fmt.Fprintf(b.Out, "%s done in %.1f s, %d packages\n", label, time.Since(start).Seconds(), output.lines.Load())
	}
}

// link makes the further names of a program, relative so that the tree can be moved.
func (b Builder) link(part Part) error {
	for _, name := range part.Links {
		path := filepath.Join(b.Bin(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		target, err := filepath.Rel(filepath.Dir(path), filepath.Join(b.Bin(), part.Programs[0]))
		if err != nil {
			return err
		}
		if old, err := os.Readlink(path); err == nil && old == target {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if err := os.Symlink(target, path); err != nil {
			return err
		}
	}
	return nil
}

// counter counts the packages that the compiler names and keeps everything else for the error message.
type counter struct {
	lines atomic.Int64
	text  bytes.Buffer
}

func (c *counter) Write(p []byte) (int, error) {
	c.lines.Add(int64(bytes.Count(p, []byte("\n"))))
	return c.text.Write(p)
}

func (c *counter) problems() string {
	var kept []string
	for line := range strings.Lines(c.text.String()) {
		if strings.ContainsAny(line, " \t") && !strings.HasPrefix(line, "go: downloading") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
