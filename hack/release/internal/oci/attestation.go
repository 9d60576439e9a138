// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	inToto       = types.MediaType("application/vnd.in-toto+json")
	spdxDocument = "https://spdx.dev/Document"
	provenance   = "https://slsa.dev/provenance/v1"
)

// statement is in-toto's: what is said of which image (in-toto.io/Statement/v1).
type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     any       `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// attestation is a manifest with the bill of materials and the provenance of an image. It is found in both ways in use: as
// an entry of the index beside the image, as BuildKit does, and by its subject, as OCI 1.1 registries list it.
func (o Options) attestation(image v1.Image, at v1.Platform) (mutate.IndexAddendum, error) {
	about, err := partial.Descriptor(image)
	if err != nil {
		return mutate.IndexAddendum{}, err
	}
	statements, err := o.statements(about.Digest, at)
	if err != nil {
		return mutate.IndexAddendum{}, err
	}
	manifest := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, said := range statements {
		raw, err := json.Marshal(said)
		if err != nil {
			return mutate.IndexAddendum{}, err
		}
		manifest, err = mutate.Append(manifest, mutate.Addendum{
			Layer: static.NewLayer(raw, inToto), Annotations: map[string]string{"in-toto.io/predicate-type": said.PredicateType},
		})
		if err != nil {
			return mutate.IndexAddendum{}, err
		}
	}
	attached, ok := mutate.Subject(manifest, v1.Descriptor{MediaType: about.MediaType, Size: about.Size, Digest: about.Digest}).(v1.Image)
	if !ok {
		return mutate.IndexAddendum{}, fmt.Errorf("a manifest with a subject is a %T", manifest)
	}
	return mutate.IndexAddendum{Add: attached, Descriptor: v1.Descriptor{
		// Nothing runs on this platform, so that nobody takes it for the program.
		Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
		Annotations: map[string]string{
			"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": about.Digest.String(),
		},
	}}, nil
}

// statements are the bill of materials and the provenance of the image with that digest. They are also written as files, if
// asked to: a bill of materials as it is, for tools that read SPDX, and provenance with its subject, as verifiers want it.
func (o Options) statements(image v1.Hash, at v1.Platform) ([]statement, error) {
	materials, err := o.materials(at)
	if err != nil {
		return nil, err
	}
	about := statement{
		Type:    "https://in-toto.io/Statement/v1",
		Subject: []subject{{Name: o.Name, Digest: map[string]string{image.Algorithm: image.Hex}}},
	}
	listed, built := about, about
	listed.PredicateType, listed.Predicate = spdxDocument, json.RawMessage(materials)
	built.PredicateType, built.Predicate = provenance, o.provenance(at)
	if o.Documents == "" {
		return []statement{listed, built}, nil
	}
	text, err := json.MarshalIndent(built, "", "  ")
	if err != nil {
		return nil, err
	}
	return []statement{listed, built}, errors.Join(o.keep("spdx.json", at, materials), o.keep("provenance.json", at, text))
}

// keep writes a document beside the image.
func (o Options) keep(kind string, at v1.Platform, document []byte) error {
	if err := os.MkdirAll(o.Documents, 0o755); err != nil {
		return err
	}
	file := fmt.Sprintf("%s_%s_%s_%s.%s", o.Name, o.Version, at.OS, at.Architecture, kind)
	return os.WriteFile(filepath.Join(o.Documents, file), append(document, '\n'), 0o644)
}

type slsa struct {
	BuildDefinition buildDefinition `json:"buildDefinition"`
	RunDetails      runDetails      `json:"runDetails"`
}

type buildDefinition struct {
	BuildType            string            `json:"buildType"`
	ExternalParameters   map[string]string `json:"externalParameters"`
	ResolvedDependencies []resource        `json:"resolvedDependencies"`
}

type resource struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest"`
}

type runDetails struct {
	Builder builder `json:"builder"`
}

type builder struct {
	ID string `json:"id"`
}

// provenance says what was built from what (SLSA v1). It is not signed: that is for whoever publishes the image.
func (o Options) provenance(at v1.Platform) slsa {
	return slsa{
		BuildDefinition: buildDefinition{
			BuildType:            source + "/tree/main/hack/release",
			ExternalParameters:   map[string]string{"version": o.Version, "platform": at.OS + "/" + at.Architecture, "target": "images"},
			ResolvedDependencies: []resource{{URI: "git+" + source, Digest: map[string]string{"gitCommit": o.Revision}}},
		},
		RunDetails: runDetails{Builder: builder{ID: source + "/blob/main/hack/chart.mk"}},
	}
}
