// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package build makes every program of the cluster from Go modules, once, and again only when what it is
// made from has changed.
package build

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/state"
)

// Part is one run of the Go compiler.
type Part struct {
	// Name is also the name of its directory under test/cluster/build, unless Dir says otherwise.
	Name string
	// Dir is where the compiler runs, relative to the repository.
	Dir string
	// Package is what is built; "tool" means all tools of the module.
	Package string
	// Output is relative to the bin directory: a file, or "./" for several.
	Output string
	// Programs are the files that must be there afterwards.
	Programs []string
	// Links are further names of the first program.
	Links []string
	Tags  string
	// Stamp returns -X settings from the versions in the part's go.mod.
	Stamp func(version versions) []string
	// Sources are hashed besides go.mod, go.sum and the Go files of Dir.
	Sources []string
}

type versions func(module string) string

const modules = "test/cluster/build"

// Parts returns what a tier needs, the slowest first.
func Parts(repository string, tier state.Tier) []Part {
	parts := []Part{kube(), certManager()}
	if tier == state.TierAPI {
		return parts
	}
	parts = append(parts, FluxParts()...)
	parts = append(parts, containerd(), coredns(), endpointPicker(), own("pause", "test/cluster/pause"))
	// The model server is a package of its own that a checkout may lack.
	if _, err := os.Stat(filepath.Join(repository, "test/cluster/modelserver")); err == nil {
		parts = append(parts, own("model-server", "test/cluster/modelserver"))
	}
	return parts
}

func kube() Part {
	return Part{
		Name: "kube", Dir: modules + "/kube", Package: ".", Output: "kube", Programs: []string{"kube"},
		Links: []string{
			"kubectl", "k8s/etcd", "k8s/kube-apiserver", "k8s/kube-controller-manager",
			"k8s/kube-scheduler", "k8s/kubectl", "k8s/kubelet", "k8s/kube-proxy",
		},
		Stamp: func(version versions) []string {
			return kubernetesStamp(version("k8s.io/kubernetes"))
		},
	}
}

// certManager is of the first tier: it needs an API server and nothing else, and is tested against there.
func certManager() Part {
	return Part{
		Name: "cert-manager", Dir: modules + "/cert-manager", Package: ".", Output: "cert-manager",
		Programs: []string{"cert-manager"},
	}
}

// kubernetesStamp returns the settings without which the API server calls itself v0.0.0-master+$Format, so that
// charts refuse it for its version.
func kubernetesStamp(version string) []string {
	const variables = "k8s.io/component-base/version."
	numbers := append(strings.Split(strings.TrimPrefix(version, "v"), "."), "", "")
	return []string{
		variables + "gitVersion=" + version,
		variables + "gitMajor=" + numbers[0],
		variables + "gitMinor=" + numbers[1],
		variables + "gitTreeState=clean",
		// A fixed date keeps the build reproducible.
		variables + "buildDate=1970-01-01T00:00:00Z",
	}
}

// FluxParts returns Flux's controllers, which are of use also without nodes.
func FluxParts() []Part {
	return []Part{{
		Name: "flux", Dir: modules + "/flux", Package: "tool", Output: "./",
		Programs: []string{"source-controller", "helm-controller"},
	}}
}

func containerd() Part {
	return Part{
		Name: "containerd", Dir: modules + "/containerd", Package: "tool", Output: "./",
		Programs: []string{"containerd", "containerd-shim-runc-v2", "ctr"},
		Tags:     "no_btrfs,no_zfs,no_devmapper,no_aufs",
		Stamp: func(version versions) []string {
			const module = "github.com/containerd/containerd/v2"
			return []string{module + "/version.Version=" + strings.TrimPrefix(version(module), "v")}
		},
	}
}

func coredns() Part {
	return Part{
		Name: "coredns", Dir: modules + "/coredns", Package: ".", Output: "coredns",
		Programs: []string{"coredns"},
	}
}

func endpointPicker() Part {
	return Part{
		Name: "epp", Dir: modules + "/epp", Package: "tool", Output: "./", Programs: []string{"epp", "bbr"},
		Stamp: func(version versions) []string {
			const module = "sigs.k8s.io/gateway-api-inference-extension"
			return []string{module + "/version.BuildRef=" + version(module)}
		},
	}
}

func own(name, dir string) Part {
	return Part{
		Name: name, Dir: dir, Package: ".", Output: name, Programs: []string{name},
		Sources: []string{"test/cluster/go.mod", "test/cluster/go.sum"},
	}
}

// Version returns the version that a module of test/cluster/build pins, following replacements.
func Version(repository, part, module string) (string, error) {
	file := filepath.Join(repository, modules, part, "go.mod")
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	parsed, err := modfile.Parse(file, raw, nil)
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(parsed.Require, func(r *modfile.Require) bool { return r.Mod.Path == module })
	if at < 0 {
		return "", fmt.Errorf("%s does not require %s", file, module)
	}
	return parsed.Require[at].Mod.Version, nil
}
