// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sbom writes the bill of materials of a Go program in SPDX 2.3, out of what the Go linker recorded in it, so that
// it lists what is in the program rather than what a go.mod asks for.
package sbom

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Program is what is described.
type Program struct {
	// File is where it is here.
	File string
	// Version of the program.
	Version string
	// Created is the document's time.
	Created time.Time
}

type document struct {
	SPDXVersion       string         `json:"spdxVersion"`
	DataLicense       string         `json:"dataLicense"`
	SPDXID            string         `json:"SPDXID"`
	Name              string         `json:"name"`
	DocumentNamespace string         `json:"documentNamespace"`
	CreationInfo      creationInfo   `json:"creationInfo"`
	DocumentDescribes []string       `json:"documentDescribes"`
	Packages          []spdxPackage  `json:"packages"`
	Relationships     []relationship `json:"relationships"`
}

type creationInfo struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	Name             string        `json:"name"`
	SPDXID           string        `json:"SPDXID"`
	VersionInfo      string        `json:"versionInfo"`
	DownloadLocation string        `json:"downloadLocation"`
	FilesAnalyzed    bool          `json:"filesAnalyzed"`
	LicenseConcluded string        `json:"licenseConcluded"`
	LicenseDeclared  string        `json:"licenseDeclared"`
	CopyrightText    string        `json:"copyrightText"`
	Checksums        []checksum    `json:"checksums,omitempty"`
	ExternalRefs     []externalRef `json:"externalRefs,omitempty"`
	Purpose          string        `json:"primaryPackagePurpose"`
	Comment          string        `json:"comment,omitempty"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type externalRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

const unknown = "NOASSERTION"

// SPDX returns the document as JSON; the same program gives the same bytes.
func SPDX(p Program) ([]byte, error) {
	info, err := buildinfo.ReadFile(p.File)
	if err != nil {
		return nil, fmt.Errorf("reading the build information of %s: %w", p.File, err)
	}
	content, err := os.ReadFile(p.File)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	name := filepath.Base(p.File)
	main := spdxPackage{
		Name: info.Main.Path, SPDXID: "SPDXRef-Program", VersionInfo: p.Version, DownloadLocation: unknown,
		LicenseConcluded: "Apache-2.0", LicenseDeclared: "Apache-2.0", CopyrightText: unknown,
		Checksums: []checksum{{Algorithm: "SHA256", Value: digest}}, Purpose: "APPLICATION",
	}
	d := document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", Name: name,
		DocumentNamespace: "https://" + info.Main.Path + "/spdx/" + name + "-" + p.Version + "-" + digest,
		CreationInfo: creationInfo{
			Created: p.Created.UTC().Format(time.RFC3339), Creators: []string{"Organization: The Workspace Operator Authors"},
		},
		DocumentDescribes: []string{main.SPDXID},
		Packages:          []spdxPackage{main, goToolchain(info)},
		Relationships:     []relationship{{From: "SPDXRef-DOCUMENT", Type: "DESCRIBES", To: main.SPDXID}},
	}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		d.Packages = append(d.Packages, library(module.Path, module.Version, module.Sum))
	}
	for _, part := range d.Packages[1:] {
		d.Relationships = append(d.Relationships, relationship{From: main.SPDXID, Type: "CONTAINS", To: part.SPDXID})
	}
	return json.MarshalIndent(d, "", "  ")
}

func goToolchain(info *buildinfo.BuildInfo) spdxPackage {
	version := strings.TrimPrefix(info.GoVersion, "go")
	p := library("stdlib", version, "")
	p.DownloadLocation = "https://go.dev/dl/go" + version + ".src.tar.gz"
	p.LicenseConcluded, p.LicenseDeclared = "BSD-3-Clause", "BSD-3-Clause"
	return p
}

func library(path, version, sum string) spdxPackage {
	p := spdxPackage{
		Name: path, SPDXID: "SPDXRef-" + regexp.MustCompile(`[^A-Za-z0-9.-]`).ReplaceAllString(path, "-"), VersionInfo: version,
		DownloadLocation: unknown, LicenseConcluded: unknown, LicenseDeclared: unknown, CopyrightText: unknown, Purpose: "LIBRARY",
		ExternalRefs: []externalRef{{Category: "PACKAGE-MANAGER", Type: "purl", Locator: "pkg:golang/" + path + "@" + version}},
	}
	if sum != "" {
		// Not one of the checksums: those are of a file, this is of a list of files.
		p.Comment = "go.sum " + sum
	}
	return p
}
