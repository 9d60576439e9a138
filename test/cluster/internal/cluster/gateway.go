// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/build"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/image"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/process"
)

const (
	istioNamespace = "istio-system"
	istioImages    = "docker.io/istio/"
	// proxyUser is whom Istio's own template runs the proxy as.
	proxyUser = "1337:1337"
)

func (c *Cluster) gatewayFile(name string) string {
	return filepath.Join(c.Bin, build.GatewayDir, name)
}

// istioTag is the module's version in the form of a tag.
func (c *Cluster) istioTag() (string, error) { return c.version("istio", "istio.io/istio") }

// gatewayImages are istiod's, and that of its proxies: the agent with Envoy beside it and the libraries that Envoy needs.
func (c *Cluster) gatewayImages() ([]named, error) {
	tag, err := c.istioTag()
	if err != nil {
		return nil, err
	}
	libraries, err := sharedLibraries(c.gatewayFile(build.Envoy))
	if err != nil {
		return nil, err
	}
	agent := filepath.Join(c.Bin, "pilot-agent")
	files := append(libraries,
		image.File{Path: "/usr/local/bin/envoy", Source: c.gatewayFile(build.Envoy), Executable: true},
		image.File{Path: "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json", Source: c.gatewayFile(build.EnvoyBootstrap)})
	return []named{
		{names: []string{istioImages + "pilot:" + tag}, spec: image.Spec{
			Binary: filepath.Join(c.Bin, "pilot-discovery"), Entrypoint: "/usr/local/bin/pilot-discovery", User: proxyUser,
		}},
		{names: []string{istioImages + "proxyv2:" + tag}, spec: image.Spec{
			Binary: agent, Entrypoint: "/usr/local/bin/pilot-agent", User: proxyUser, Files: files,
		}},
	}, nil
}

// sharedLibraries are what the dynamic linker of this machine loads for a program, at their places.
func sharedLibraries(program string) ([]image.File, error) {
	output, err := exec.Command("ldd", program).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("ldd %s: %w: %s", program, err, output)
	}
	var files []image.File
	for line := range strings.Lines(string(output)) {
		for word := range strings.FieldsSeq(line) {
			if !strings.HasPrefix(word, "/") {
				continue
			}
			// A library is mostly a link to a file that is named by its version.
			source, err := filepath.EvalSymlinks(word)
			if err != nil {
				return nil, err
			}
			files = append(files, image.File{Path: word, Source: source, Executable: true})
		}
	}
	return files, nil
}

// istioValues are what Istio's chart is installed with. The first is what inference takes; the next three leave out the
// filters that only Istio's build of Envoy has; the others make it small.
func istioValues(tag string) []string {
	return []string{
		"env.ENABLE_GATEWAY_API_INFERENCE_EXTENSION=true",
		"env.PILOT_ENABLE_METADATA_EXCHANGE=false", "env.PILOT_ENABLE_ALPN_FILTER=false", "telemetry.enabled=false",
		"env.UNSAFE_ENABLE_ADMIN_ENDPOINTS=true",
		"global.hub=" + strings.TrimSuffix(istioImages, "/"), "global.tag=" + tag, "global.imagePullPolicy=IfNotPresent",
		"global.configValidation=false", "autoscaleEnabled=false",
		// Envoy says in its log what came of each request, and why.
		"meshConfig.accessLogFile=/dev/stdout",
		"resources.requests.cpu=20m", "resources.requests.memory=128Mi",
		"global.proxy.resources.requests.cpu=20m", "global.proxy.resources.requests.memory=64Mi",
	}
}

// installIstio renders Istio's own chart and waits until istiod serves.
func (c *Cluster) installIstio(ctx context.Context) error {
	tag, err := c.istioTag()
	if err != nil {
		return err
	}
	crds, err := os.ReadFile(c.gatewayFile(build.IstioCRDs))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.Bin, "helm"), "template", "istiod", c.gatewayFile(build.IstioChart),
		"--namespace", istioNamespace, "--set", strings.Join(istioValues(tag), ","))
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+c.Dir.Under("helm"), "HELM_CONFIG_HOME="+c.Dir.Under("helm"))
	manifests, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("rendering Istio's chart: %w", err)
	}
	namespace := []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + istioNamespace + "}\n---\n")
	for _, documents := range [][]byte{append(append(namespace, crds...), "\n---\n"...), manifests} {
		if err := c.Kubectl().Apply(ctx, documents); err != nil {
			return fmt.Errorf("installing Istio: %w", err)
		}
	}
	return nil
}

func (c *Cluster) balancerSpec() process.Spec {
	client := c.Kubectl()
	return process.Spec{
		Name: "load-balancer", Path: c.Self, Endpoint: "Services of type LoadBalancer",
		Args: []string{"serve-load-balancer", "--kubectl", client.Program, "--kubeconfig", client.Kubeconfig},
	}
}
