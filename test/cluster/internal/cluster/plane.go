// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/controlplane"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/pki"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/process"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/state"
)

// startAPITier starts what needs no root: etcd, API server, controller-manager.
func (c *Cluster) startAPITier(ctx context.Context) error {
	ports, err := controlplane.FreePorts(c.Config.Host, controlplane.PortNames())
	if err != nil {
		return err
	}
	c.Config.Ports = ports
	if err := c.prepare(); err != nil {
		return err
	}
	if err := c.startPlane(ctx); err != nil {
		return err
	}
	return c.installCRDs(ctx)
}

// prepare writes everything that processes read. The configuration is complete before.
func (c *Cluster) prepare() error {
	if err := c.makeDirs(); err != nil {
		return err
	}
	if c.Config.AuditLog != "" && c.Config.AuditPolicy == "" {
		c.Config.AuditPolicy = c.Dir.Under("audit-policy.yaml")
		if err := os.WriteFile(c.Config.AuditPolicy, []byte(controlplane.AuditPolicy()), 0o644); err != nil {
			return err
		}
	}
	// Saved before the first process starts: `down` must find what a failed `up` leaves.
	if err := c.Dir.Save(c.Config); err != nil {
		return err
	}
	authority, err := pki.New(c.Dir.PKI())
	if err != nil {
		return fmt.Errorf("making the certificate authority: %w", err)
	}
	plane := c.plane()
	if err := plane.WriteCredentials(authority); err != nil {
		return fmt.Errorf("writing the credentials: %w", err)
	}
	return c.writeExtraCredentials(authority)
}

// startPlane starts the control plane and waits until it answers.
func (c *Cluster) startPlane(ctx context.Context) error {
	plane := c.plane()
	if _, err := c.processes().Start(plane.EtcdSpec()); err != nil {
		return err
	}
	if err := c.startAndWait(ctx, plane.APIServerSpec(), plane.Server()+"/readyz"); err != nil {
		return err
	}
	return c.startControllers(ctx)
}

func (c *Cluster) startControllers(ctx context.Context) error {
	spec := c.plane().ControllerManagerSpec()
	if err := c.startAndWait(ctx, spec, spec.Endpoint+"/healthz"); err != nil {
		return err
	}
	if c.Config.Tier == state.TierNode {
		if _, err := c.processes().Start(c.plane().SchedulerSpec()); err != nil {
			return err
		}
	}
	// Pods are refused until their namespace has its default service account.
	return c.await(ctx, "service account default/default", func(ctx context.Context) error {
		return c.get(ctx, c.plane().Server()+"/api/v1/namespaces/default/serviceaccounts/default")
	})
}

// startAndWait starts a process and returns when its URL answers 200, or with its last words when it ends.
func (c *Cluster) startAndWait(ctx context.Context, spec process.Spec, url string) error {
	exited, err := c.processes().Start(spec)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-exited:
			cancel(fmt.Errorf("%s ended:\n%s", spec.Name, lastLines(c.processes().LogFile(spec.Name))))
		case <-ctx.Done():
		}
	}()
	return c.await(ctx, spec.Name, func(ctx context.Context) error { return c.get(ctx, url) })
}

const readyTimeout = 90 * time.Second

// await polls until check succeeds.
func (c *Cluster) await(ctx context.Context, what string, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("no answer within %v", readyTimeout))
	defer cancel()
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last: %w)", what, context.Cause(ctx), err)
		case <-ticker.C:
		}
	}
}

// get asks a part as the administrator and returns an error for anything but 200.
func (c *Cluster) get(ctx context.Context, url string) error {
	_, err := c.fetch(ctx, url)
	return err
}

// fetch is get with the answer's body.
func (c *Cluster) fetch(ctx context.Context, url string) ([]byte, error) {
	client, err := c.httpClient()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, response.Status)
	}
	return io.ReadAll(response.Body)
}

func (c *Cluster) httpClient() (*http.Client, error) {
	ca, err := os.ReadFile(filepath.Join(c.Dir.PKI(), "ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("the cluster's ca.crt holds no certificate")
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(c.Dir.PKI(), "admin.crt"), filepath.Join(c.Dir.PKI(), "admin.key"))
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
	}}}, nil
}

// installCRDs installs the bundles that were asked for and waits until they are served.
func (c *Cluster) installCRDs(ctx context.Context) error {
	for _, bundle := range c.Config.CRDs {
		dir := filepath.Join(c.Bin, "share", "crds", bundle)
		if err := c.Kubectl().ApplyFiles(ctx, dir); err != nil {
			return fmt.Errorf("installing the CRDs of %s: %w", bundle, err)
		}
		if _, err := c.Kubectl().Run(ctx, "wait", "--for=condition=Established", "--timeout=30s", "-f", dir); err != nil {
			return fmt.Errorf("waiting for the CRDs of %s: %w", bundle, err)
		}
	}
	return nil
}

// lastLines returns the end of a log file, for an error message.
func lastLines(file string) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
