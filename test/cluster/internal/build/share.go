// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/chart"
)

// tree is files of a Go module that are used as they are, without compiling anything.
type tree struct {
	// part is the module under test/cluster/build that pins the version.
	part, module string
	// copies maps directories of the module to directories under bin/share.
	copies map[string]string
	// charts are directories of the module that are packed with the module's version.
	charts []string
}

const (
	inference  = "sigs.k8s.io/gateway-api-inference-extension"
	poolCharts = "config/charts/inferencepool"
	bbrCharts  = "config/charts/body-based-routing"
)

func trees() []tree {
	return []tree{
		{
			part: "epp", module: inference, copies: map[string]string{"config/crd/bases": "crds/gie"},
			charts: []string{poolCharts, bbrCharts},
		},
		{part: "charts-v1.4", module: inference, charts: []string{poolCharts, bbrCharts}},
		{
			part: "gateway-api", module: "sigs.k8s.io/gateway-api",
			copies: map[string]string{"config/crd/standard": "crds/gateway-api"},
		},
		{
			part: "cert-manager", module: "github.com/cert-manager/cert-manager",
			copies: map[string]string{"deploy/crds": "crds/cert-manager"},
		},
		{part: "flux", module: "github.com/fluxcd/source-controller", copies: map[string]string{
			"config/crd/bases": "crds/flux", "config/manager": "flux/source-controller", "config/rbac": "flux/source-controller",
		}},
		{part: "flux", module: "github.com/fluxcd/helm-controller", copies: map[string]string{
			"config/crd/bases": "crds/flux", "config/manager": "flux/helm-controller", "config/rbac": "flux/helm-controller",
		}},
	}
}

// Share fills bin/share with CRDs, manifests and charts of the pinned modules: share/crds/<bundle>/*.yaml,
// share/charts/<name>-<version>.tgz, share/flux/<controller>/*.yaml.
func (b Builder) Share(ctx context.Context) error {
	sum, err := b.shareFingerprint()
	if err != nil {
		return err
	}
	stamp := Part{Name: "share"}
	if b.current(stamp, sum) {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(b.Bin(), "share")); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(b.Out, "build: charts and CRDs of the pinned modules")
	for _, t := range trees() {
		if err := b.unpack(ctx, t); err != nil {
			return fmt.Errorf("taking files out of %s: %w", t.module, err)
		}
	}
	return b.stamp(stamp, sum)
}

func (b Builder) shareFingerprint() (string, error) {
	// What is taken out of the modules is code here: its own sources count as well.
	part := Part{Dir: "test/cluster/internal/build", Sources: []string{"test/cluster/internal/chart/pack.go"}}
	for _, t := range trees() {
		part.Sources = append(part.Sources, filepath.Join(modules, t.part, "go.mod"))
	}
	return b.fingerprint(part)
}

func (b Builder) unpack(ctx context.Context, t tree) error {
	version, err := Version(b.Repository, t.part, t.module)
	if err != nil {
		return err
	}
	dir, err := b.download(ctx, t)
	if err != nil {
		return err
	}
	share := filepath.Join(b.Bin(), "share")
	for from, to := range t.copies {
		if err := copyManifests(filepath.Join(dir, from), filepath.Join(share, to)); err != nil {
			return err
		}
	}
	for _, source := range t.charts {
		packed, err := chart.Pack(filepath.Join(dir, source), version)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(share, "charts"), 0o755); err != nil {
			return err
		}
		name := fmt.Sprintf("%s-%s.tgz", filepath.Base(source), version)
		if err := os.WriteFile(filepath.Join(share, "charts", name), packed, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// download returns the directory of the module's files; only this module is fetched, not what it requires.
func (b Builder) download(ctx context.Context, t tree) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", t.module)
	cmd.Dir = filepath.Join(b.Repository, modules, t.part)
	cmd.Env = environment()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	raw, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go mod download: %w: %s%s", err, raw, stderr.Bytes())
	}
	var answer struct{ Dir string }
	if err := json.Unmarshal(raw, &answer); err != nil {
		return "", err
	}
	return answer.Dir, nil
}

func copyManifests(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "*.yaml"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, file := range files {
		// Neither is a CRD: one is kustomize's, the other a policy that guards upgrades by people.
		if name := filepath.Base(file); name == "kustomization.yaml" || strings.Contains(name, "_vap_") {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		// The module cache is read-only; so would be copies that keep its modes.
		if err := os.WriteFile(filepath.Join(to, filepath.Base(file)), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
