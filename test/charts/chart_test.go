// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

const gieModule = "sigs.k8s.io/gateway-api-inference-extension"

// moduleDir is where Go keeps the sources of the release that the chart belongs to.
func moduleDir(t *testing.T, version string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", gieModule+"@"+version)
	// Outside every module, so that the download changes no go.sum.
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	var module struct{ Dir, Error string }
	if decodeErr := json.Unmarshal(out, &module); decodeErr != nil || module.Dir == "" {
		t.Fatalf("downloading %s@%s: %v: %s", gieModule, version, err, module.Error)
	}
	return module.Dir
}

// packagedChart is the path of the chart's archive, made from the sources in the way of the project's release: the library
// chart is vendored, and version and appVersion become the tag.
func packagedChart(t *testing.T, version string) string {
	t.Helper()
	sources := filepath.Join(moduleDir(t, version), "config", "charts")
	dir := filepath.Join(t.TempDir(), "inferencepool")
	copyTree(t, filepath.Join(sources, "inferencepool"), dir)
	if library := filepath.Join(sources, "epplib"); exists(library) {
		copyTree(t, library, filepath.Join(dir, "charts", "inference-extension"))
	}
	loaded, err := loader.LoadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return archived(t, loaded, version)
}

// archived is the path of a chart's archive; version and appVersion become the tag, as in a release.
func archived(t *testing.T, loaded *chart.Chart, version string) string {
	t.Helper()
	loaded.Metadata.Version, loaded.Metadata.AppVersion = version, version
	archive, err := chartutil.Save(loaded, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

func loadChart(t *testing.T, archive string) *chart.Chart {
	t.Helper()
	loaded, err := loader.LoadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// copyTree copies files without their modes: those of the module cache are read-only.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
