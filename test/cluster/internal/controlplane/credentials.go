// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"
	"os"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/kubeconfig"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/pki"
)

// WriteCredentials makes all keys, certificates and kubeconfigs of the control plane.
func (p Plane) WriteCredentials(authority *pki.Authority) error {
	if err := os.MkdirAll(p.Dir.Under("kubeconfigs"), 0o700); err != nil {
		return err
	}
	for file, subject := range map[string]pki.Subject{
		"kube-apiserver":     {Name: "kube-apiserver", Hosts: p.Hosts()},
		"service-accounts":   {Name: "service-accounts"},
		"front-proxy-client": {Name: "front-proxy-client"},
		"kubelet-client":     {Name: "kube-apiserver-kubelet-client", Groups: []string{"system:masters"}},
	} {
		if _, err := authority.Issue(file, subject); err != nil {
			return err
		}
	}
	for _, part := range p.Parts() {
		if err := p.WriteKubeconfig(authority, part); err != nil {
			return err
		}
	}
	admin, err := os.ReadFile(p.Kubeconfig("admin"))
	if err != nil {
		return err
	}
	return os.WriteFile(p.Dir.Kubeconfig(), admin, 0o600)
}

// WriteKubeconfig issues the certificate of one user and writes its kubeconfig.
func (p Plane) WriteKubeconfig(authority *pki.Authority, part Part) error {
	pair, err := authority.Issue(part.Name, part.Subject)
	if err != nil {
		return err
	}
	err = kubeconfig.Write(p.Kubeconfig(part.Name), kubeconfig.Access{
		Server: p.Server(), Name: p.Config.Name, CA: authority.CA().Cert, Client: pair,
	})
	if err != nil {
		return fmt.Errorf("writing the kubeconfig of %s: %w", part.Name, err)
	}
	return nil
}
