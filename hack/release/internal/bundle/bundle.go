// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package bundle packs the chart for a release, and sums up what a release consists of.
package bundle

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Chart packs a chart under a version and returns the archive's path. With a digest, the chart pins the operator's image to
// it. The same content gives the same bytes, which `helm package` does not: it writes the files' times.
func Chart(dir, version, digest, into string) (string, error) {
	if !regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`).MatchString(version) {
		return "", fmt.Errorf("version %q is not of the form v1.2.3", version)
	}
	name := filepath.Base(dir)
	change := map[string]func(string) (string, error){
		"Chart.yaml": func(text string) (string, error) {
			text, err := replaceLine(text, "version", strings.TrimPrefix(version, "v"))
			if err != nil {
				return "", err
			}
			if text, err = replaceLine(text, "appVersion", version); err != nil || digest == "" {
				return text, err
			}
			return replaceLine(text, "  kaito.sh/image-digest", digest)
		},
	}
	if err := os.MkdirAll(into, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(into, name+"-"+strings.TrimPrefix(version, "v")+".tgz")
	out, err := os.Create(path)
	if err != nil {
		return "", err
	}
	if err := pack(out, dir, name, change); err != nil {
		_ = out.Close()
		return "", fmt.Errorf("packing %s: %w", dir, err)
	}
	return path, out.Close()
}

func replaceLine(text, key, value string) (string, error) {
	pattern := regexp.MustCompile(`(?m)^` + key + `: .*$`)
	if len(pattern.FindAllString(text, -1)) != 1 {
		return "", fmt.Errorf("there is not exactly one line %s", key)
	}
	return pattern.ReplaceAllString(text, key+": "+value), nil
}

func pack(w io.Writer, dir, name string, change map[string]func(string) (string, error)) error {
	zipped := gzip.NewWriter(w)
	archive := tar.NewWriter(zipped)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		content, err := edited(path, change[relative])
		if err != nil {
			return err
		}
		header := &tar.Header{Name: name + "/" + filepath.ToSlash(relative), Mode: 0o644, Size: int64(len(content)), Format: tar.FormatPAX}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err = archive.Write(content)
		return err
	})
	if err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return zipped.Close()
}

// edited is a file's content after a change, which may be nil.
func edited(path string, change func(string) (string, error)) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil || change == nil {
		return content, err
	}
	text, err := change(string(content))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return []byte(text), nil
}

// Checksums writes SHA256SUMS of all files below a directory, as sha256sum --check reads it.
func Checksums(dir string) error {
	const file = "SHA256SUMS"
	var lines []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == file {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		lines = append(lines, hex.EncodeToString(sum[:])+"  "+filepath.ToSlash(relative)+"\n")
		return nil
	})
	if err != nil {
		return fmt.Errorf("summing up %s: %w", dir, err)
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return os.WriteFile(filepath.Join(dir, file), []byte(strings.Join(lines, "")), 0o644)
}
