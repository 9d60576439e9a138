// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package image makes OCI images of static binaries without Docker.
package image

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// NonRoot is the user and group of images that need no other; kubelet accepts only a number as proof of not being root.
const NonRoot = "65532:65532"

// Spec is an image with one program in it, or with files only.
type Spec struct {
	// Binary is the program's path here, Entrypoint its absolute path in the image; both are empty without a program.
	Binary, Entrypoint string
	// Args follow the entrypoint, before those of the pod, as vLLM's image has `serve`.
	Args []string
	User string
	// Files are further ones.
	Files []File
}

// File is one file of an image.
type File struct {
	// Path is its absolute path in the image.
	Path string
	// Source is the file here that it is a copy of, or Link the path in the image that it is a symbolic link to; with
	// neither it holds Content.
	Source, Link, Content string
	// Executable files are programs.
	Executable bool
}

// Build returns the image. The binary is read when the image is pushed, and must not change until then.
func Build(spec Spec) (v1.Image, error) {
	layer, err := newLayer(func(w io.Writer) error { return writeRoot(w, spec) })
	if err != nil {
		return nil, fmt.Errorf("making an image of %s: %w", spec.Binary, err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	if spec.Entrypoint == "" {
		return mutate.ConfigFile(image, config)
	}
	config.Config = v1.Config{
		Entrypoint: append([]string{spec.Entrypoint}, spec.Args...),
		User:       spec.User,
		WorkingDir: "/",
		Env:        []string{"PATH=/usr/local/bin:/usr/bin:/bin:" + path.Dir(spec.Entrypoint), "HOME=/tmp"},
	}
	return mutate.ConfigFile(image, config)
}

// writeRoot writes the root filesystem: the files, and around a program what a static Go program may look for.
func writeRoot(w io.Writer, spec Spec) error {
	archive := tar.NewWriter(w)
	files := spec.Files
	if spec.Entrypoint != "" {
		if err := addDirs(archive); err != nil {
			return err
		}
		files = append([]File{
			{Path: "/etc/passwd", Content: "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n"},
			{Path: "/etc/group", Content: "root:x:0:\nnonroot:x:65532:\n"},
			{Path: spec.Entrypoint, Source: spec.Binary, Executable: true},
		}, files...)
	}
	for _, file := range files {
		if err := addFile(archive, file); err != nil {
			return fmt.Errorf("adding %s: %w", file.Path, err)
		}
	}
	return archive.Close()
}

func addDirs(archive *tar.Writer) error {
	for _, dir := range []struct {
		name string
		mode int64
	}{{"tmp/", 0o1777}, {"etc/", 0o755}, {"var/", 0o755}, {"var/tmp/", 0o1777}} {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: dir.name, Mode: dir.mode}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
	}
	return nil
}

// Tree returns the regular files below dir, at the same places below the root of an image.
func Tree(dir string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(dir, func(source string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		below, err := filepath.Rel(dir, source)
		files = append(files, File{Path: "/" + filepath.ToSlash(below), Source: source})
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s holds no files", dir)
	}
	return files, err
}

func addFile(archive *tar.Writer, file File) error {
	header := &tar.Header{Name: path.Clean(file.Path)[1:], Mode: 0o644, Size: int64(len(file.Content))}
	if file.Executable {
		header.Mode = 0o755
	}
	if file.Link != "" {
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, file.Link, 0o777
		return archive.WriteHeader(header)
	}
	content := io.Reader(strings.NewReader(file.Content))
	if file.Source != "" {
		source, err := os.Open(file.Source)
		if err != nil {
			return err
		}
		defer func() { _ = source.Close() }()
		info, err := source.Stat()
		if err != nil {
			return err
		}
		header.Size, content = info.Size(), source
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(archive, content)
	return err
}
