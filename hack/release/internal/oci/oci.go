// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package oci makes a multi-platform image of a static program, with its bill of materials and its provenance attached.
// Two builds of the same commit give the same digest.
package oci

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/workspace-operator/workspace-operator/hack/release/internal/sbom"
)

// source is where the code lives.
const source = "https://github.com/workspace-operator/workspace-operator"

// Options say what goes into the image and where it goes.
type Options struct {
	// Programs has GOOS_GOARCH/Name for each of the Platforms.
	Programs  string
	Name      string
	Platforms []string
	// Version, Revision and Created describe the commit.
	Version, Revision string
	Created           time.Time
	// Layout, Documents and Push are where to write; each may be empty.
	Layout, Documents, Push string
}

// Make builds the image, writes it where the options say, and returns its digest.
func Make(o Options) (string, error) {
	index, err := build(o)
	if err != nil {
		return "", fmt.Errorf("building the image of %s: %w", o.Name, err)
	}
	if o.Layout != "" {
		if err := writeLayout(index, o); err != nil {
			return "", fmt.Errorf("writing the layout %s: %w", o.Layout, err)
		}
	}
	if o.Push != "" {
		ref, err := name.ParseReference(o.Push)
		if err != nil {
			return "", err
		}
		if err := remote.WriteIndex(ref, index, remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
			return "", fmt.Errorf("pushing to %s: %w", ref, err)
		}
	}
	digest, err := index.Digest()
	return digest.String(), err
}

func build(o Options) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var attestations []mutate.IndexAddendum
	for _, platform := range o.Platforms {
		os, arch, ok := strings.Cut(platform, "/")
		if !ok {
			return nil, fmt.Errorf("platform %q is not of the form os/architecture", platform)
		}
		at := v1.Platform{OS: os, Architecture: arch}
		image, err := o.image(at)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &at}})
		attestation, err := o.attestation(image, at)
		if err != nil {
			return nil, err
		}
		attestations = append(attestations, attestation)
	}
	index = mutate.AppendManifests(index, attestations...)
	annotated, ok := mutate.Annotations(index, o.labels()).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("an annotated index is a %T", index)
	}
	return annotated, nil
}

// program is where the program for a platform is here.
func (o Options) program(at v1.Platform) string {
	return filepath.Join(o.Programs, at.OS+"_"+at.Architecture, o.Name)
}

func (o Options) labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":       o.Name,
		"org.opencontainers.image.description": "Runs Workspaces: language models behind inference gateways",
		"org.opencontainers.image.version":     o.Version,
		"org.opencontainers.image.revision":    o.Revision,
		"org.opencontainers.image.created":     o.Created.Format(time.RFC3339),
		"org.opencontainers.image.source":      source,
		"org.opencontainers.image.licenses":    "Apache-2.0",
	}
}

func (o Options) image(at v1.Platform) (v1.Image, error) {
	layer, err := rootLayer(o.program(at), o.Created)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.Append(base, mutate.Addendum{
		Layer: layer, History: v1.History{Created: v1.Time{Time: o.Created}, CreatedBy: "make images"},
	})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = at.OS, at.Architecture, v1.Time{Time: o.Created}
	config.Config = v1.Config{
		Entrypoint: []string{"/" + o.Name},
		// By number: the kubelet takes only that as a proof that it is not root.
		User:       nonRoot,
		WorkingDir: "/",
		Env:        []string{"PATH=/"},
		Labels:     o.labels(),
	}
	return mutate.ConfigFile(image, config)
}

// materials returns the bill of materials of a platform's program.
func (o Options) materials(at v1.Platform) ([]byte, error) {
	return sbom.SPDX(sbom.Program{File: o.program(at), Version: o.Version, Created: o.Created})
}

func writeLayout(index v1.ImageIndex, o Options) error {
	// What another build left would stay in the layout's index.
	if err := os.RemoveAll(o.Layout); err != nil {
		return err
	}
	path, err := layout.Write(o.Layout, empty.Index)
	if err != nil {
		return err
	}
	annotations := map[string]string{"org.opencontainers.image.ref.name": o.Version}
	maps.Copy(annotations, o.labels())
	return path.AppendIndex(index, layout.WithAnnotations(annotations))
}
