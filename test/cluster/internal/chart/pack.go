// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package chart packs Helm charts from their sources, as the release process of their project does.
package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// Metadata is the content of a Chart.yaml.
type Metadata map[string]any

func (m Metadata) text(key string) string {
	value, _ := m[key].(string)
	return value
}

// Name returns the chart's name.
func (m Metadata) Name() string { return m.text("name") }

// Version returns the chart's version.
func (m Metadata) Version() string { return m.text("version") }

// Pack returns the package of the chart in dir. The version replaces the placeholder that sources carry, and
// dependencies that lie beside the chart (file://) are packed into it.
func Pack(dir, version string) ([]byte, error) {
	metadata, err := readMetadata(dir)
	if err != nil {
		return nil, err
	}
	metadata["version"], metadata["appVersion"] = version, version
	var out bytes.Buffer
	compressor := gzip.NewWriter(&out)
	archive := tar.NewWriter(compressor)
	if err := addChart(archive, dir, metadata.Name(), metadata); err != nil {
		return nil, fmt.Errorf("packing %s: %w", dir, err)
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := compressor.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func readMetadata(dir string) (Metadata, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "Chart.yaml"))
	if err != nil {
		return nil, err
	}
	return parseMetadata(raw)
}

func parseMetadata(raw []byte) (Metadata, error) {
	var metadata Metadata
	if err := yaml.Unmarshal(raw, &metadata); err != nil {
		return nil, fmt.Errorf("reading Chart.yaml: %w", err)
	}
	return metadata, nil
}

func addChart(archive *tar.Writer, dir, root string, metadata Metadata) error {
	description, err := yaml.Marshal(metadata)
	if err != nil {
		return err
	}
	// Chart.yaml comes first: those who look only for it need not read on.
	if err := addFile(archive, path.Join(root, "Chart.yaml"), description); err != nil {
		return err
	}
	if err := addTree(archive, dir, root); err != nil {
		return err
	}
	dependencies, _ := metadata["dependencies"].([]any)
	for _, entry := range dependencies {
		dependency, _ := entry.(map[string]any)
		source, isFile := strings.CutPrefix(Metadata(dependency).text("repository"), "file://")
		if !isFile {
			return fmt.Errorf("dependency %s is not beside the chart", Metadata(dependency).Name())
		}
		beside := filepath.Join(dir, source)
		inner, err := readMetadata(beside)
		if err != nil {
			return err
		}
		if err := addChart(archive, beside, path.Join(root, "charts", inner.Name()), inner); err != nil {
			return err
		}
	}
	return nil
}

func addTree(archive *tar.Writer, dir, root string) error {
	return filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, file)
		if err != nil || relative == "Chart.yaml" {
			return err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return addFile(archive, path.Join(root, filepath.ToSlash(relative)), content)
	})
}

func addFile(archive *tar.Writer, name string, content []byte) error {
	// No time and no owner: the same sources give the same digest.
	header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Format: tar.FormatPAX}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := archive.Write(content)
	return err
}

// ReadMetadata returns the Chart.yaml of a packed chart.
func ReadMetadata(packed []byte) (Metadata, error) {
	decompressor, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("reading a chart: %w", err)
	}
	archive := tar.NewReader(decompressor)
	for {
		header, err := archive.Next()
		if err != nil {
			return nil, fmt.Errorf("looking for Chart.yaml: %w", err)
		}
		if strings.Count(header.Name, "/") != 1 || path.Base(header.Name) != "Chart.yaml" {
			continue
		}
		raw, err := io.ReadAll(archive)
		if err != nil {
			return nil, err
		}
		return parseMetadata(raw)
	}
}
