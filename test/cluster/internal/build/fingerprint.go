// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// fingerprint sums up everything that a part is made from.
func (b Builder) fingerprint(part Part) (string, error) {
	args, err := b.arguments(part)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	// The output path is no input: a moved tree stays built.
	for _, arg := range args {
		_, _ = fmt.Fprintln(sum, strings.ReplaceAll(arg, b.Bin(), "bin"))
	}
	_, _ = fmt.Fprintln(sum, runtime.Version(), runtime.GOARCH, part.Links)
	files, err := sourcesUnder(filepath.Join(b.Repository, part.Dir))
	if err != nil {
		return "", err
	}
	for _, source := range part.Sources {
		files = append(files, filepath.Join(b.Repository, source))
	}
	slices.Sort(files)
	for _, file := range files {
		if err := addFile(sum, file); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func sourcesUnder(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && isSource(path) {
			files = append(files, path)
		}
		return err
	})
	return files, err
}

func isSource(file string) bool {
	name := filepath.Base(file)
	if strings.HasSuffix(name, "_test.go") {
		return false
	}
	return strings.HasSuffix(name, ".go") || name == "go.mod" || name == "go.sum"
}

func addFile(sum io.Writer, file string) error {
	source, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	_, _ = fmt.Fprintln(sum, filepath.Base(file))
	_, err = io.Copy(sum, source)
	return err
}

func (b Builder) stampFile(part Part) string {
	return filepath.Join(b.Bin(), ".stamps", part.Name)
}

// current tells whether the part was built from exactly this and is still there.
func (b Builder) current(part Part, sum string) bool {
	stamped, err := os.ReadFile(b.stampFile(part))
	if err != nil || string(stamped) != sum {
		return false
	}
	for _, name := range slices.Concat(part.Programs, part.Links) {
		if _, err := os.Stat(filepath.Join(b.Bin(), name)); err != nil {
			return false
		}
	}
	return true
}

func (b Builder) stamp(part Part, sum string) error {
	if err := os.MkdirAll(filepath.Dir(b.stampFile(part)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(b.stampFile(part), []byte(sum), 0o644)
}
