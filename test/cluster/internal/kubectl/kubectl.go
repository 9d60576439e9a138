// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kubectl runs kubectl as the cluster's administrator.
package kubectl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Client calls one kubectl with one kubeconfig.
type Client struct{ Program, Kubeconfig string }

// Run returns what kubectl prints; its own error message is in the error.
func (c Client) Run(ctx context.Context, args ...string) (string, error) {
	return c.RunWith(ctx, nil, args...)
}

// RunWith is Run with something to read from standard input.
func (c Client) RunWith(ctx context.Context, stdin []byte, args ...string) (string, error) {
	cmd := c.command(ctx, args)
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Stream has follow read what kubectl prints while it runs, and returns when both have ended.
func (c Client) Stream(ctx context.Context, follow func(io.Reader) error, args ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := c.command(ctx, args)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("kubectl %s: %w", args[0], err)
	}
	err = follow(out)
	cancel()
	return errors.Join(err, cmd.Wait())
}

func (c Client) command(ctx context.Context, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.Program, args...)
	// Discovery is cached per user elsewhere; a cluster that comes and goes must not leave its cache there.
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "KUBECACHEDIR="+c.Kubeconfig+".cache")
	// Whoever is killed takes it along.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	return cmd
}

// Apply writes manifests by server-side apply.
func (c Client) Apply(ctx context.Context, manifests []byte) error {
	_, err := c.RunWith(ctx, manifests, "apply", "--server-side", "--force-conflicts",
		"--field-manager=workspace-cluster", "-f", "-")
	return err
}

// ApplyFiles writes every manifest of a directory by server-side apply.
func (c Client) ApplyFiles(ctx context.Context, dir string) error {
	_, err := c.Run(ctx, "apply", "--server-side", "--force-conflicts", "--field-manager=workspace-cluster", "-f", dir)
	return err
}
