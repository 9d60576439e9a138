// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/accelerator"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/preset"
)

const gib = 1 << 30

// world is what every test needs: the catalogue, the instance types, a configuration.
type world struct {
	catalogue preset.Catalogue
	facts     plan.Facts
}

func newWorld(tb testing.TB) world {
	tb.Helper()
	catalogue, err := preset.Default()
	if err != nil {
		tb.Fatal(err)
	}
	instances, err := accelerator.Default()
	if err != nil {
		tb.Fatal(err)
	}
	var config configv1alpha1.Configuration
	config.FeatureGates.GatewayAPIInferenceExtension = true
	configv1alpha1.Default(&config)
	return world{catalogue: catalogue, facts: plan.Facts{Config: config, Instances: instances}}
}

func (w world) preset(tb testing.TB, name string) preset.Preset {
	tb.Helper()
	p, err := w.catalogue.Lookup(name)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// workspace serves a preset on an instance type, with a token.
func workspace(presetName, instanceType string) *v1beta1.Workspace {
	return &v1beta1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Name: "workspace-" + presetName, Namespace: "models"},
		Resource:   v1beta1.ResourceSpec{InstanceType: instanceType},
		Inference: &v1beta1.InferenceSpec{Preset: &v1beta1.PresetSpec{
			Name:          presetName,
			PresetOptions: v1beta1.PresetOptions{ModelAccessSecret: "hf-token"},
		}},
	}
}

func nvidia(gpus int, memory int64) accelerator.Accelerator {
	return accelerator.Accelerator{
		Vendor: accelerator.VendorNVIDIA, Model: "L4", Count: gpus, MemoryPerGPU: memory, ResourceName: accelerator.NVIDIAResource,
	}
}
