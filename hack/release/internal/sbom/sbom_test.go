// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sbom_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/workspace-operator/workspace-operator/hack/release/internal/sbom"
)

type document struct {
	SPDXVersion       string `json:"spdxVersion"`
	DocumentNamespace string `json:"documentNamespace"`
	Packages          []struct {
		Name             string `json:"name"`
		SPDXID           string `json:"SPDXID"`
		VersionInfo      string `json:"versionInfo"`
		DownloadLocation string `json:"downloadLocation"`
	} `json:"packages"`
	Relationships []struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	} `json:"relationships"`
}

// TestSPDX describes a program that is at hand: this test.
func TestSPDX(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := sbom.SPDX(sbom.Program{File: self, Version: "v1.2.3", Created: time.Unix(1700000000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	if d.SPDXVersion != "SPDX-2.3" || !strings.HasPrefix(d.DocumentNamespace, "https://") {
		t.Errorf("version %q, namespace %q", d.SPDXVersion, d.DocumentNamespace)
	}
	ids := d.identifiers(t)
	if !ids["SPDXRef-stdlib"] || len(d.Packages) < 2 || len(d.Relationships) != len(d.Packages) {
		t.Errorf("%d packages, %d relationships", len(d.Packages), len(d.Relationships))
	}
	for _, r := range d.Relationships {
		if !ids[r.To] {
			t.Errorf("%s %s %s, which is no package", r.From, r.Type, r.To)
		}
	}
}

// identifiers are those of all packages, which must be different.
func (d document) identifiers(t *testing.T) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for _, p := range d.Packages {
		if ids[p.SPDXID] || !regexp.MustCompile(`^SPDXRef-[a-zA-Z0-9.-]+$`).MatchString(p.SPDXID) {
			t.Errorf("identifier %q of %s", p.SPDXID, p.Name)
		}
		ids[p.SPDXID] = true
		if p.DownloadLocation == "" || p.VersionInfo == "" {
			t.Errorf("package %+v", p)
		}
	}
	return ids
}

func TestSPDXRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sbom.SPDX(sbom.Program{File: file}); err == nil {
		t.Error("a script has a bill of materials")
	}
}
