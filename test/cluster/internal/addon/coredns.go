// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package addon makes the manifests of what runs in tier node as pods.
package addon

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"text/template"
)

//go:embed coredns.yaml
var corednsManifest string

// CoreDNS is the cluster's resolver.
type CoreDNS struct {
	Image, ServiceIP string
	// Gateway is the address that all of Hosts resolve to.
	Gateway string
	Hosts   []string
}

// Names returns the hosts as a Corefile writes them.
func (c CoreDNS) Names() string { return strings.Join(c.Hosts, " ") }

// Manifests returns its objects.
func (c CoreDNS) Manifests() ([]byte, error) { return render("coredns", corednsManifest, c) }

func render(name, text string, data any) ([]byte, error) {
	parsed, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("rendering the manifests of %s: %w", name, err)
	}
	return out.Bytes(), nil
}
