// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Media types of a chart in a registry, as Helm defines them.
const (
	configType types.MediaType = "application/vnd.cncf.helm.config.v1+json"
	layerType  types.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// artifact is a chart in the form that a registry keeps.
type artifact struct {
	config, manifest []byte
	layer            v1.Layer
}

// Artifact returns a packed chart as something that can be pushed, and its metadata.
func Artifact(packed []byte) (v1.Image, Metadata, error) {
	metadata, err := ReadMetadata(packed)
	if err != nil {
		return nil, nil, err
	}
	config, err := json.Marshal(metadata)
	if err != nil {
		return nil, nil, err
	}
	a := artifact{config: config, layer: static.NewLayer(packed, layerType)}
	configDigest, configSize, err := v1.SHA256(bytes.NewReader(config))
	if err != nil {
		return nil, nil, err
	}
	layerDigest, err := a.layer.Digest()
	if err != nil {
		return nil, nil, err
	}
	a.manifest, err = json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: v1.Descriptor{MediaType: configType, Digest: configDigest, Size: configSize},
		Layers: []v1.Descriptor{{MediaType: layerType, Digest: layerDigest, Size: int64(len(packed))}},
		Annotations: map[string]string{
			"org.opencontainers.image.title":   metadata.Name(),
			"org.opencontainers.image.version": metadata.Version(),
		},
	})
	if err != nil {
		return nil, nil, err
	}
	image, err := partial.CompressedToImage(a)
	return image, metadata, err
}

func (a artifact) RawConfigFile() ([]byte, error)      { return a.config, nil }
func (a artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (a artifact) RawManifest() ([]byte, error)        { return a.manifest, nil }
func (a artifact) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	digest, err := a.layer.Digest()
	if err != nil {
		return nil, err
	}
	if h == digest {
		return a.layer, nil
	}
	configDigest, _, err := v1.SHA256(bytes.NewReader(a.config))
	if err != nil {
		return nil, err
	}
	if h == configDigest {
		return static.NewLayer(a.config, configType), nil
	}
	return nil, fmt.Errorf("the chart has no blob %s: %w", h, io.EOF)
}
