// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/cluster"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/image"
)

type loading struct {
	image, binary, entrypoint, user, layout, files, chart, repository string
	args                                                              []string
}

func newLoad(w *which) *cobra.Command {
	var l loading
	cmd := &cobra.Command{
		Use: "load", Short: "Push an image or a chart to the registry of a running cluster, under its production name", Args: cobra.NoArgs,
		Example: `  cluster load --image docker.io/vllm/vllm-openai:v0.21.0 --binary bin/model-server --entrypoint /usr/local/bin/vllm --arg serve
  cluster load --image ghcr.io/example/operator:dev --layout dist/operator
  cluster load --image docker.io/example/adapter:v1 --files build/adapter
  cluster load --chart pool-v1.5.0.tgz --repository oci://registry.k8s.io/gateway-api-inference-extension/charts`,
	}
	flags := cmd.Flags()
	flags.StringVar(&l.image, "image", "", "production name of the image, with registry and tag")
	flags.StringVar(&l.binary, "binary", "", "static program that the image consists of")
	flags.StringVar(&l.entrypoint, "entrypoint", "", "absolute path of the program in the image (default: /NAME)")
	flags.StringArrayVar(&l.args, "arg", nil, "argument that the image puts before the pod's, may be repeated")
	flags.StringVar(&l.user, "user", image.NonRoot, "user and group by number")
	flags.StringVar(&l.layout, "layout", "", "OCI image layout to push instead of a program")
	flags.StringVar(&l.files, "files", "", "directory whose files the image consists of, for image volumes")
	flags.StringVar(&l.chart, "chart", "", "packed chart to push")
	flags.StringVar(&l.repository, "repository", "", "registry address that the chart's name is added to, oci://…")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := w.openUp()
		if err != nil {
			return err
		}
		loaded, err := l.load(cmd, c)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "loaded", loaded)
		return err
	}
	return cmd
}

func (l loading) load(cmd *cobra.Command, c *cluster.Cluster) (string, error) {
	switch {
	case l.chart != "" && l.repository != "":
		return c.LoadChart(cmd.Context(), l.chart, l.repository)
	case l.image != "" && l.layout != "":
		return l.image, c.LoadLayout(cmd.Context(), l.layout, l.image)
	case l.image != "" && l.files != "":
		return l.image, c.LoadFiles(cmd.Context(), l.image, l.files)
	case l.image != "" && l.binary != "":
		spec := image.Spec{Binary: l.binary, Entrypoint: l.entrypoint, Args: l.args, User: l.user}
		if spec.Entrypoint == "" {
			spec.Entrypoint = "/" + filepath.Base(l.binary)
		}
		if !filepath.IsAbs(spec.Entrypoint) {
			return "", fmt.Errorf("entrypoint %q is not an absolute path", spec.Entrypoint)
		}
		return l.image, c.LoadProgram(cmd.Context(), l.image, spec)
	default:
		return "", errors.New("give --image with --binary, --layout or --files, or --chart with --repository")
	}
}
