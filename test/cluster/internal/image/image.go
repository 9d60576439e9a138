// Package image makes OCI images of static binaries without Docker.
package image

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// NonRoot is the user and group of images that need no other; kubelet accepts only a number as proof of not being root.
const NonRoot = "65532:65532"

// Spec is an image with one program in it.
type Spec struct {
	// Binary is the program's path here, Entrypoint its absolute path in the image.
	Binary, Entrypoint string
	// Args follow the entrypoint, before those of the pod, as vLLM's image has `serve`.
	Args []string
	User string
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
	config.Config = v1.Config{
		Entrypoint: append([]string{spec.Entrypoint}, spec.Args...),
		User:       spec.User,
		WorkingDir: "/",
		Env:        []string{"PATH=/usr/local/bin:/usr/bin:/bin:" + path.Dir(spec.Entrypoint), "HOME=/tmp"},
	}
	return mutate.ConfigFile(image, config)
}

// writeRoot writes the root filesystem: what a static Go program may look for, and the program.
func writeRoot(w io.Writer, spec Spec) error {
	archive := tar.NewWriter(w)
	for _, dir := range []struct {
		name string
		mode int64
	}{{"tmp/", 0o1777}, {"etc/", 0o755}, {"var/", 0o755}, {"var/tmp/", 0o1777}} {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: dir.name, Mode: dir.mode}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
	}
	for _, file := range []struct{ name, content string }{
		{"etc/passwd", "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n"},
		{"etc/group", "root:x:0:\nnonroot:x:65532:\n"},
	} {
		header := &tar.Header{Name: file.name, Mode: 0o644, Size: int64(len(file.content))}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.WriteString(archive, file.content); err != nil {
			return err
		}
	}
	if err := addProgram(archive, spec); err != nil {
		return err
	}
	return archive.Close()
}

func addProgram(archive *tar.Writer, spec Spec) error {
	program, err := os.Open(spec.Binary)
	if err != nil {
		return err
	}
	defer func() { _ = program.Close() }()
	info, err := program.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Name: path.Clean(spec.Entrypoint)[1:], Mode: 0o755, Size: info.Size()}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(archive, program)
	return err
}
