// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"bytes"
	"encoding/json"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/kustomize"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/postrenderer"
	releasev1 "helm.sh/helm/v4/pkg/release/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// install renders a chart as helm-controller does for a HelmRelease, without a cluster: values, then the release's own
// post-renderers, then the labels of commonMetadata, then those of the release itself.
func install(t *testing.T, archive string, hr *helmv2.HelmRelease) (string, error) {
	t.Helper()
	renderers := chain{}
	for _, r := range hr.Spec.PostRenderers {
		renderers = append(renderers, patches(r.Kustomize.Patches))
	}
	if hr.Spec.CommonMetadata != nil {
		renderers = append(renderers, objectLabels(hr.Spec.CommonMetadata.Labels))
	}
	renderers = append(renderers, objectLabels{
		helmv2.GroupVersion.Group + "/name": hr.Name, helmv2.GroupVersion.Group + "/namespace": hr.Namespace,
	})
	return render(t, archive, hr, renderers)
}

// render is Helm's part alone.
func render(t *testing.T, archive string, hr *helmv2.HelmRelease, after postrenderer.PostRenderer) (string, error) {
	t.Helper()
	var values map[string]any
	if err := json.Unmarshal(hr.Spec.Values.Raw, &values); err != nil {
		t.Fatal(err)
	}
	do := action.NewInstall(action.NewConfiguration())
	do.DryRunStrategy = action.DryRunClient
	do.ReleaseName, do.Namespace = hr.Spec.ReleaseName, hr.Namespace
	do.Devel = true
	do.PostRenderer = after
	result, err := do.RunWithContext(t.Context(), loadChart(t, archive), values)
	if err != nil {
		return "", err
	}
	rel, ok := result.(*releasev1.Release)
	if !ok {
		t.Fatalf("Helm returned a %T", result)
	}
	if len(rel.Hooks) > 0 {
		t.Errorf("the chart has %d hooks, which helm-controller treats apart", len(rel.Hooks))
	}
	return rel.Manifest, nil
}

// chain runs post-renderers one after the other.
type chain []postrenderer.PostRenderer

func (c chain) Run(in *bytes.Buffer) (*bytes.Buffer, error) {
	for _, r := range c {
		out, err := r.Run(in)
		if err != nil {
			return nil, err
		}
		in = out
	}
	return in, nil
}

// patches are a HelmRelease's kustomize post-renderer. Tests that use it are not parallel: kustomize reads and writes a
// schema of the whole process without a lock (kustomize #3659).
type patches []kustomize.Patch

func (p patches) Run(in *bytes.Buffer) (*bytes.Buffer, error) {
	k := types.Kustomization{}
	for _, patch := range p {
		target := &types.Selector{}
		target.Group, target.Version, target.Kind = patch.Target.Group, patch.Target.Version, patch.Target.Kind
		k.Patches = append(k.Patches, types.Patch{Patch: patch.Patch, Target: target})
	}
	return build(in, k)
}

// objectLabels are added to each object, not to pod templates.
type objectLabels map[string]string

func (l objectLabels) Run(in *bytes.Buffer) (*bytes.Buffer, error) {
	return build(in, types.Kustomization{Labels: []types.Label{{Pairs: l}}})
}

// build applies a kustomization to manifests.
func build(in *bytes.Buffer, k types.Kustomization) (*bytes.Buffer, error) {
	const input = "rendered.yaml"
	k.TypeMeta = types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind}
	k.Resources = []string{input}
	text, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	files := filesys.MakeFsInMemory()
	if err := files.WriteFile(input, in.Bytes()); err != nil {
		return nil, err
	}
	if err := files.WriteFile("kustomization.yaml", text); err != nil {
		return nil, err
	}
	built, err := krusty.MakeKustomizer(&krusty.Options{
		LoadRestrictions: types.LoadRestrictionsNone, PluginConfig: types.DisabledPluginConfig(),
	}).Run(files, ".")
	if err != nil {
		return nil, err
	}
	out, err := built.AsYaml()
	if err != nil {
		return nil, err
	}
	return bytes.NewBuffer(out), nil
}
