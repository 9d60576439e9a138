// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cluster brings a whole cluster up and takes it down again.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/controlplane"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/kubectl"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/process"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/state"
)

// Cluster is one local cluster: its state directory, what it is made of and where it reports to.
type Cluster struct {
	Dir state.Dir
	// Bin holds the programs, Self is the path of this program, which serves some parts itself.
	Bin, Self string
	Config    state.Config
	Out       io.Writer
}

func (c *Cluster) plane() controlplane.Plane {
	return controlplane.Plane{Programs: filepath.Join(c.Bin, "k8s"), Dir: c.Dir, Config: c.Config}
}

func (c *Cluster) processes() process.Set {
	return process.Set{Records: c.Dir.Run(), Logs: c.Dir.Logs()}
}

// Kubectl returns a client for the cluster's administrator.
func (c *Cluster) Kubectl() kubectl.Client {
	return kubectl.Client{Program: filepath.Join(c.Bin, "kubectl"), Kubeconfig: c.Dir.Kubeconfig()}
}

func (c *Cluster) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.Out, "cluster %s: %s\n", c.Config.Name, fmt.Sprintf(format, args...))
}

// lock keeps two commands from changing one cluster at the same time. It is released by closing it.
func (c *Cluster) lock() (io.Closer, error) {
	if err := os.MkdirAll(filepath.Dir(string(c.Dir)), 0o755); err != nil {
		return nil, err
	}
	// Beside the state directory, because `down` removes that.
	file, err := os.OpenFile(string(c.Dir)+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another command works on %s", c.Dir), file.Close())
	}
	return file, nil
}

// Up starts the cluster and returns when it is ready; a cluster that already runs is left as it is.
func (c *Cluster) Up(ctx context.Context) error {
	lock, err := c.lock()
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	old, err := c.Dir.Load()
	if err == nil {
		return c.already(ctx, old)
	}
	if _, missing := errors.AsType[*state.NoClusterError](err); !missing {
		return err
	}
	start := time.Now()
	if err := c.start(ctx); err != nil {
		return fmt.Errorf("%w\nlogs are in %s; `cluster down --name %s` cleans up", err, c.Dir.Logs(), c.Config.Name)
	}
	c.say("ready after %.1f s", time.Since(start).Seconds())
	c.say("export KUBECONFIG=%s", c.Dir.Kubeconfig())
	return nil
}

// already answers `up` for a cluster that was started before.
func (c *Cluster) already(ctx context.Context, old state.Config) error {
	if old.Tier != c.Config.Tier {
		return fmt.Errorf("cluster %s exists with tier %s: choose another --name, or take it down first", old.Name, old.Tier)
	}
	c.Config = old
	for _, part := range c.Status(ctx) {
		if !part.Ready {
			return fmt.Errorf("cluster %s exists, but %s is %s: `cluster down --name %s` first, or `cluster start %s`",
				old.Name, part.Name, part.State, old.Name, part.Name)
		}
	}
	c.say("already up, nothing to do")
	c.say("export KUBECONFIG=%s", c.Dir.Kubeconfig())
	return nil
}

func (c *Cluster) start(ctx context.Context) error {
	if c.Config.Tier == state.TierNode {
		return c.startNodeTier(ctx)
	}
	return c.startAPITier(ctx)
}

func (c *Cluster) makeDirs() error {
	for _, dir := range []string{c.Dir.Logs(), c.Dir.Run(), c.Dir.PKI()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// Down ends every process of the cluster, undoes what was changed on the machine and removes the state.
func (c *Cluster) Down() error {
	lock, err := c.lock()
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(string(c.Dir) + ".lock"); _ = lock.Close() }()
	config, err := c.Dir.Load()
	if _, missing := errors.AsType[*state.NoClusterError](err); missing {
		c.say("not up, nothing to do")
		return nil
	}
	if err != nil {
		return err
	}
	c.Config = config
	start := time.Now()
	if c.Config.Tier == state.TierNode {
		if err := c.stopNodes(); err != nil {
			return err
		}
	}
	if err := errors.Join(c.stopPlane(), c.restoreMachine()); err != nil {
		return err
	}
	if err := os.RemoveAll(string(c.Dir)); err != nil {
		return fmt.Errorf("removing the state: %w", err)
	}
	c.say("down after %.1f s", time.Since(start).Seconds())
	return nil
}

// stopPlane ends what remains, the last started first: etcd outlives whoever talks to it.
func (c *Cluster) stopPlane() error {
	records, err := c.processes().List()
	if err != nil {
		return err
	}
	var failed error
	for i := range records {
		record := records[len(records)-1-i]
		// Open watches would keep the API server for a minute, and its data is thrown away anyhow.
		failed = errors.Join(failed, c.processes().Stop(record.Name, time.Second))
	}
	return failed
}

// Halt stops one part and keeps it known, for tests of what happens without it.
func (c *Cluster) Halt(part string) error { return c.processes().Halt(part, 5*time.Second) }

// Resume starts a part that was stopped, with the command line from before.
func (c *Cluster) Resume(part string) error { return c.processes().Resume(part) }
