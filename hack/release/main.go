// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command release makes what users download, without Docker: images of the operator with their bills of materials, the
// packed chart, CRDs and checksums. It also writes the chart's table of values.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/workspace-operator/workspace-operator/hack/release/internal/bundle"
	"github.com/workspace-operator/workspace-operator/hack/release/internal/oci"
	"github.com/workspace-operator/workspace-operator/hack/release/internal/values"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "release: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("want a command: values, image, chart or checksums")
	}
	switch command, rest := args[0], args[1:]; command {
	case "values":
		return writeValues(rest)
	case "image":
		return buildImage(rest)
	case "chart":
		return packChart(rest)
	case "checksums":
		return writeChecksums(rest)
	default:
		return fmt.Errorf("unknown command %q: want values, image, chart or checksums", command)
	}
}

func writeValues(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: release values CHART")
	}
	return values.Write(args[0])
}

func buildImage(args []string) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	o := oci.Options{}
	var platforms, created string
	flags.StringVar(&o.Programs, "programs", "", "directory with GOOS_GOARCH/NAME for each platform")
	flags.StringVar(&o.Name, "name", "workspace-controller", "name of the program")
	flags.StringVar(&platforms, "platforms", "linux/amd64,linux/arm64", "platforms, separated by commas")
	flags.StringVar(&o.Version, "version", "", "version for the labels, such as v1.2.3")
	flags.StringVar(&o.Revision, "revision", "", "commit that the programs are built from")
	flags.StringVar(&created, "created", "", "time of that commit in RFC 3339, the only time in the image")
	flags.StringVar(&o.Layout, "layout", "", "write an OCI image layout into this directory")
	flags.StringVar(&o.Documents, "documents", "", "write the bills of materials into this directory, too")
	flags.StringVar(&o.Push, "push", "", "push to this reference, with the credentials of Docker's configuration")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.Platforms = strings.Split(platforms, ",")
	at, err := time.Parse(time.RFC3339, created)
	if err != nil {
		return fmt.Errorf("--created: %w", err)
	}
	o.Created = at.UTC()
	digest, err := oci.Make(o)
	if err != nil {
		return err
	}
	fmt.Println(digest)
	return nil
}

func packChart(args []string) error {
	flags := flag.NewFlagSet("chart", flag.ContinueOnError)
	version := flags.String("version", "", "version, such as v1.2.3")
	into := flags.String("into", "dist", "directory for the package")
	digest := flags.String("image-digest", "", "digest that the chart pins the operator's image to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("usage: release chart --version VERSION CHART")
	}
	file, err := bundle.Chart(flags.Arg(0), *version, *digest, *into)
	if err != nil {
		return err
	}
	fmt.Println(file)
	return nil
}

func writeChecksums(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: release checksums DIRECTORY")
	}
	return bundle.Checksums(args[0])
}
