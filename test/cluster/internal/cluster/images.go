// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/addon"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/build"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/chart"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/image"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/node"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/registry"
)

const (
	inferenceImages = "registry.k8s.io/gateway-api-inference-extension/"
	inferenceCharts = "oci://" + inferenceImages + "charts"
	vllm            = "/usr/local/bin/vllm"
)

// named is an image under the names that production knows it by.
type named struct {
	names []string
	spec  image.Spec
}

func (c *Cluster) version(part, module string) (string, error) {
	return build.Version(filepath.Dir(c.Bin), part, module)
}

// images returns every image that is made of programs of this repository's build.
func (c *Cluster) images() ([]named, error) {
	corednsImage, err := c.corednsImage()
	if err != nil {
		return nil, err
	}
	images := []named{
		c.one("pause", node.Sandbox),
		c.one("coredns", corednsImage),
		// The one picker serves both charts: its flags are the same in the two releases.
		c.one("epp", inferenceImages+"epp:v1.5.0", inferenceImages+"epp:v1.4.0"),
		c.one("bbr", inferenceImages+"bbr:v1.5.0", inferenceImages+"bbr:v1.4.0"),
	}
	flux, err := c.fluxImages()
	if err != nil {
		return nil, err
	}
	authorities := c.authorities()
	for _, controller := range addon.FluxControllers() {
		image := c.one(controller, flux[controller])
		image.spec.Files = authorities
		images = append(images, image)
	}
	if c.Config.Gateway {
		gateway, err := c.gatewayImages()
		if err != nil {
			return nil, err
		}
		images = append(images, gateway...)
	}
	if program := filepath.Join(c.Bin, "model-server"); len(c.Config.ModelImages) > 0 && exists(program) {
		images = append(images, named{names: c.Config.ModelImages, spec: image.Spec{
			Binary: program, Entrypoint: vllm, Args: []string{"serve"}, User: image.NonRoot, Files: modelServerFiles(),
		}})
	}
	return images, nil
}

// authorities are what the published images of Flux have, too: certificates of those who are trusted. Here it is the
// cluster's own authority, so that charts are pulled by their production address from the local registry, whoever installs
// Flux.
func (c *Cluster) authorities() []image.File {
	return []image.File{{Path: "/etc/ssl/certs/ca-certificates.crt", Source: filepath.Join(c.Dir.PKI(), "ca.crt")}}
}

// curl is the part of it that probes and test clients use, by busybox's wget. It cannot be named wget: busybox's shell
// takes its own, and Debian's static build of that crashes when it gets a timeout.
const curl = `#!/bin/sh
limit=900 output=- url=
set -- "$@" end
while [ "$1" != end ]; do
  case $1 in
    --max-time) limit=$2; shift ;;
    --output) output=$2; shift ;;
    --header) set -- "$@" --header "$2"; shift ;;
    --data) set -- "$@" --post-data "$2"; shift ;;
    --*) ;;
    *) url=$1 ;;
  esac
  shift
done
shift
exec busybox timeout "$limit" busybox wget -q -O "$output" "$@" "$url"
`

// modelServerFiles are what our pods use of vLLM's image beside vLLM itself: a shell and a HTTP client for models over
// several nodes, here busybox for both, and the chat templates that presets name.
func modelServerFiles() []image.File {
	const busybox = "/bin/busybox"
	files := []image.File{
		{Path: busybox, Source: busybox, Executable: true},
		{Path: "/bin/sh", Link: busybox},
		{Path: "/bin/curl", Content: curl, Executable: true},
	}
	for _, model := range []string{
		"deepseekr1", "deepseekv3", "deepseekv31", "llama3.1_json", "llama3.2_json", "llama4_pythonic", "phi4_mini",
	} {
		files = append(files, image.File{
			Path:    "/vllm-workspace/examples/tool_chat_template_" + model + ".jinja",
			Content: "{% for message in messages %}{{ message.content }}\n{% endfor %}",
		})
	}
	return files
}

func (c *Cluster) one(program string, names ...string) named {
	return named{names: names, spec: image.Spec{
		Binary: filepath.Join(c.Bin, program), Entrypoint: "/" + program, User: image.NonRoot,
	}}
}

func (c *Cluster) corednsImage() (string, error) {
	version, err := c.version("coredns", "github.com/coredns/coredns")
	return "registry.k8s.io/coredns/coredns:" + version, err
}

func (c *Cluster) fluxImages() (map[string]string, error) {
	images := make(map[string]string)
	for _, controller := range addon.FluxControllers() {
		version, err := c.version("flux", "github.com/fluxcd/"+controller)
		if err != nil {
			return nil, err
		}
		images[controller] = "ghcr.io/fluxcd/" + controller + ":" + version
	}
	return images, nil
}

// pushAll fills the registry with all images and charts.
func (c *Cluster) pushAll(ctx context.Context) error {
	images, err := c.images()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for _, one := range images {
		group.Go(func() error { return c.pushProgram(ctx, one) })
	}
	charts, err := filepath.Glob(filepath.Join(c.Bin, "share", "charts", "*.tgz"))
	if err != nil {
		return err
	}
	for _, file := range charts {
		group.Go(func() error {
			_, err := c.LoadChart(ctx, file, inferenceCharts)
			return err
		})
	}
	return group.Wait()
}

func (c *Cluster) pushProgram(ctx context.Context, one named) error {
	built, err := image.Build(one.spec)
	if err != nil {
		return err
	}
	for _, name := range one.names {
		if err := push(ctx, name, built); err != nil {
			return err
		}
	}
	return nil
}

func push(ctx context.Context, name string, what v1.Image) error {
	reference, err := registry.Local(node.Registry, name)
	if err != nil {
		return err
	}
	if err := remote.Write(reference, what, remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("pushing %s: %w", name, err)
	}
	return nil
}

// LoadProgram pushes an image made of one static program.
func (c *Cluster) LoadProgram(ctx context.Context, name string, spec image.Spec) error {
	return c.pushProgram(ctx, named{names: []string{name}, spec: spec})
}

// LoadFiles pushes an image of the files below a directory, without a program.
func (c *Cluster) LoadFiles(ctx context.Context, name, dir string) error {
	files, err := image.Tree(dir)
	if err != nil {
		return err
	}
	return c.pushProgram(ctx, named{names: []string{name}, spec: image.Spec{Files: files}})
}

// LoadChart pushes a packed chart and returns the address that it can be pulled from.
func (c *Cluster) LoadChart(ctx context.Context, file, repository string) (string, error) {
	packed, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	artifact, metadata, err := chart.Artifact(packed)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", file, err)
	}
	// A tag cannot hold the plus sign of a version; Helm writes an underscore for it.
	tag := strings.ReplaceAll(metadata.Version(), "+", "_")
	name := strings.TrimSuffix(strings.TrimPrefix(repository, "oci://"), "/") + "/" + metadata.Name() + ":" + tag
	return "oci://" + name, push(ctx, name, artifact)
}

// LoadLayout pushes the one entry of an OCI image layout, be it an image or an index of several platforms.
func (c *Cluster) LoadLayout(ctx context.Context, dir, name string) error {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return fmt.Errorf("reading the image layout %s: %w", dir, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	if len(manifest.Manifests) != 1 {
		return errors.New(dir + " holds not exactly one image or index")
	}
	entry := manifest.Manifests[0]
	if !entry.MediaType.IsIndex() {
		single, err := index.Image(entry.Digest)
		if err != nil {
			return err
		}
		return push(ctx, name, single)
	}
	inner, err := index.ImageIndex(entry.Digest)
	if err != nil {
		return err
	}
	reference, err := registry.Local(node.Registry, name)
	if err != nil {
		return err
	}
	return remote.WriteIndex(reference, inner, remote.WithContext(ctx))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
