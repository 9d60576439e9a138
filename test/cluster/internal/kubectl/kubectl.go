// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kubectl runs kubectl as the cluster's administrator.
package kubectl

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Client calls one kubectl with one kubeconfig.
type Client struct{ Program, Kubeconfig string }

// Run returns what kubectl prints; its own error message is in the error.
func (c Client) Run(ctx context.Context, args ...string) (string, error) {
	return c.RunWith(ctx, nil, args...)
}

// RunWith is Run with something to read from standard input.
func (c Client) RunWith(ctx context.Context, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.Program, args...)
	// Discovery is cached per user elsewhere; a cluster that comes and goes must not leave its cache there.
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "KUBECACHEDIR="+c.Kubeconfig+".cache")
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
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
