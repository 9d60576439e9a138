// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/addon"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/controlplane"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/node"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/pki"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/registry"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/state"
)

// writeExtraCredentials makes the certificates that only tier node has.
func (c *Cluster) writeExtraCredentials(authority *pki.Authority) error {
	if c.Config.Tier != state.TierNode {
		return nil
	}
	if _, err := authority.Issue(registryPart, pki.Subject{Name: registryPart, Hosts: hostsOfRegistry()}); err != nil {
		return err
	}
	parts := []controlplane.Part{{Name: "kube-proxy", Subject: pki.Subject{Name: "system:kube-proxy"}}}
	for _, n := range c.nodes() {
		parts = append(parts, controlplane.Part{Name: n.Name, Subject: pki.Subject{
			Name: "system:node:" + n.Name, Groups: []string{"system:nodes"}, Hosts: []string{n.Address, n.Name},
		}})
	}
	for _, part := range parts {
		if err := c.plane().WriteKubeconfig(authority, part); err != nil {
			return err
		}
	}
	return nil
}

// installAddons starts what runs as pods and waits until it serves.
func (c *Cluster) installAddons(ctx context.Context) error {
	manifests, err := c.corednsManifests()
	if err != nil {
		return err
	}
	if c.Config.Flux {
		flux, err := c.fluxManifests()
		if err != nil {
			return err
		}
		manifests = append(append(manifests, []byte("\n---\n")...), flux...)
	}
	if err := c.Kubectl().Apply(ctx, manifests); err != nil {
		return err
	}
	if c.Config.Gateway {
		if err := c.installIstio(ctx); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, deployment := range c.deployments() {
		group.Go(func() error {
			namespace, name, _ := strings.Cut(deployment, "/")
			_, err := c.Kubectl().Run(ctx, "rollout", "status", "--timeout=90s", "-n", namespace, "deployment/"+name)
			if err != nil {
				pods, _ := c.Kubectl().Run(ctx, "get", "pods,events", "-n", namespace)
				return fmt.Errorf("%w\n%s", err, pods)
			}
			return nil
		})
	}
	return group.Wait()
}

// deployments returns namespace/name of what must be available.
func (c *Cluster) deployments() []string {
	names := []string{"kube-system/coredns"}
	if c.Config.Flux {
		for _, controller := range addon.FluxControllers() {
			names = append(names, c.Config.FluxNamespace+"/"+controller)
		}
	}
	if c.Config.Gateway {
		names = append(names, istioNamespace+"/istiod")
	}
	return names
}

func (c *Cluster) corednsManifests() ([]byte, error) {
	image, err := c.corednsImage()
	if err != nil {
		return nil, err
	}
	return addon.CoreDNS{
		Image: image, ServiceIP: controlplane.DNSServiceIP, Gateway: node.Gateway, Hosts: registry.Names(),
	}.Manifests()
}

func (c *Cluster) fluxManifests() ([]byte, error) {
	images, err := c.fluxImages()
	if err != nil {
		return nil, err
	}
	return addon.Flux{
		Namespace: c.Config.FluxNamespace, Share: filepath.Join(c.Bin, "share", "flux"), Images: images,
	}.Manifests()
}

// nodeParts returns the lines of the status table that are not processes of this machine's own.
func (c *Cluster) nodeParts(ctx context.Context) []Part {
	if c.Config.Tier != state.TierNode {
		return []Part{}
	}
	var parts []Part
	for _, n := range c.nodes() {
		part := Part{Name: n.Name, Endpoint: n.Address, Ready: true, State: "ready"}
		if err := c.joined(ctx, n.Name); err != nil {
			part.Ready, part.State = false, "not ready"
		}
		parts = append(parts, part)
	}
	for _, deployment := range c.deployments() {
		namespace, name, _ := strings.Cut(deployment, "/")
		part := Part{Name: name, Endpoint: "deployment in " + namespace, Ready: true, State: "ready"}
		ready, err := c.Kubectl().Run(ctx, "get", "deployment", name, "-n", namespace, "-o", "jsonpath={.status.availableReplicas}")
		if err != nil || ready == "" || ready == "0" {
			part.Ready, part.State = false, "not ready"
		}
		parts = append(parts, part)
	}
	return parts
}
