// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/preset"
)

// adapterRoot is where adapters are mounted, each in a directory of its name.
const adapterRoot = "/mnt/adapters/"

// adaptersOf returns the LoRA adapters in the order of the manifest, or why one of them cannot be served.
func adaptersOf(ws *v1beta1.Workspace, p preset.Preset) ([]Adapter, error) {
	adapters := make([]Adapter, 0, len(ws.Inference.Adapters))
	for i, spec := range ws.Inference.Adapters {
		adapter, err := adapterOf(spec, p)
		if err != nil {
			return nil, &outcome.Terminal{
				Reason: v1beta1.ReasonAdapterNotServable,
				Err:    fmt.Errorf("inference.adapters[%d]: %w", i, err),
			}
		}
		adapters = append(adapters, adapter)
	}
	return adapters, nil
}

func adapterOf(spec v1beta1.AdapterSpec, p preset.Preset) (Adapter, error) {
	source := spec.Source
	switch {
	case source == nil:
		return Adapter{}, fmt.Errorf("has no source: write source.name and source.image")
	case !p.SupportsLoRA:
		return Adapter{}, fmt.Errorf("preset %s cannot load LoRA adapters: remove %s, or merge it into weights of your own and serve them with inference.template",
			p.Name, source.Name)
	case source.Name == p.Name:
		return Adapter{}, fmt.Errorf("%s is the name of the base model: give the adapter another source.name", source.Name)
	case len(source.URLs) > 0:
		return Adapter{}, fmt.Errorf("%s: urls are not supported: put the files into source.image or source.volumeSource", source.Name)
	case !fullStrength(spec.Strength):
		return Adapter{}, fmt.Errorf("%s: strength %s cannot be served, vLLM applies adapters at full strength: remove strength, or scale lora_alpha in the adapter itself",
			source.Name, *spec.Strength)
	}
	mount := adapterRoot + source.Name
	switch {
	case source.Image != "":
		return Adapter{
			Name:      source.Name,
			Volume:    corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: source.Image, PullPolicy: corev1.PullIfNotPresent}},
			MountPath: mount,
			// KAITO's adapter images hold the files in /data.
			Path: mount + "/data",
		}, nil
	case source.Volume != nil:
		return Adapter{Name: source.Name, Volume: *source.Volume.DeepCopy(), MountPath: mount, Path: mount}, nil
	default:
		return Adapter{}, fmt.Errorf("%s has no files: write source.image or source.volumeSource", source.Name)
	}
}

func fullStrength(strength *string) bool {
	if strength == nil || *strength == "" {
		return true
	}
	number, err := strconv.ParseFloat(*strength, 64)
	return err == nil && number == 1
}
