// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registry is the local OCI registry, which stands for every registry that production names.
package registry

import (
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
)

// Hosts returns the registries that the local one stands for: containerd is told to ask here for them, and
// names in the cluster's DNS lead here.
func Hosts() []string {
	return []string{"registry.k8s.io", "ghcr.io", "docker.io", "quay.io", "mcr.microsoft.com", "nvcr.io"}
}

// Names returns what clients look up to reach these hosts: clients of docker.io ask others.
func Names() []string {
	return append(slices.Collect(slices.Values(Hosts())), "index.docker.io", "registry-1.docker.io")
}

// home returns the host whose images a name serves.
func home(host string) string {
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		return "docker.io"
	}
	return host
}

// Local returns where an image of a production name is kept: under its host's name in the local registry.
func Local(address, production string) (name.Reference, error) {
	reference, err := name.ParseReference(production)
	if err != nil {
		return nil, fmt.Errorf("image name %q: %w", production, err)
	}
	repository := fmt.Sprintf("%s/%s/%s", address, home(reference.Context().RegistryStr()), reference.Context().RepositoryStr())
	separator := ":"
	if _, isDigest := reference.(name.Digest); isDigest {
		separator = "@"
	}
	return name.ParseReference(repository+separator+reference.Identifier(), name.Insecure)
}
