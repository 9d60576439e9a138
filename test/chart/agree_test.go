// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
)

// TestAgree tries good and bad values for every field of the configuration: what the chart lets through is what the
// operator accepts, since pods that crash tell nothing to whom waits for Helm.
func TestAgree(t *testing.T) {
	t.Parallel()
	chart := onlyConfig(t)
	tried, refused := 0, 0
	for _, leaf := range leaves(reflect.TypeFor[configv1alpha1.Configuration](), nil) {
		if leaf.path[0] == "apiVersion" || leaf.path[0] == "kind" || leaf.path[0] == "featureGates" {
			continue
		}
		for _, around := range surroundings(leaf.path) {
			for _, value := range candidates(leaf) {
				config := values(t, around)
				put(config, leaf.path, value)
				tried++
				if !agree(t, chart, config) {
					refused++
				}
			}
		}
	}
	if tried < 500 || refused < tried/3 || refused > tried*9/10 {
		t.Errorf("%d were tried and %d refused: nothing is shown by that", tried, refused)
	}
}

// agree reports whether both accept a configuration, and fails the test when only one does.
func agree(t *testing.T, chart *chartv2.Chart, config map[string]any) bool {
	t.Helper()
	file := map[string]any{"apiVersion": configv1alpha1.APIVersion, "kind": configv1alpha1.Kind}
	maps.Copy(file, config)
	text, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	_, operator := configv1alpha1.Decode(text)
	with := map[string]any{}
	if registry, ok := config["registry"]; ok {
		with["registry"] = registry
		config = maps.Clone(config)
		delete(config, "registry")
	}
	with["config"] = config
	release, err := renderChart(t, chart, with)
	if (err == nil) != (operator == nil) {
		t.Errorf("%s\nthe chart says %v\nthe operator says %v", text, err, operator)
	}
	if err != nil || operator != nil {
		return false
	}
	// It has more in it than was set.
	objectsOf(t, release).config(t)
	return true
}

// onlyConfig is the chart with the one template that makes the configuration.
func onlyConfig(t *testing.T) *chartv2.Chart {
	t.Helper()
	chart := load(t)
	chart.Templates = slices.DeleteFunc(chart.Templates, func(file *common.File) bool {
		return !strings.HasPrefix(filepath.Base(file.Name), "_") && filepath.Base(file.Name) != "configmap.yaml"
	})
	return chart
}

type leaf struct {
	path []string
	of   reflect.Type
}

// leaves are the fields of the configuration that hold no fields of ours. Those of items of lists are left to candidates.
func leaves(of reflect.Type, path []string) []leaf {
	var all []leaf
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		inner := field.Type
		for inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		at := slices.Clone(path)
		if name != "" {
			at = append(at, name)
		}
		if isOurs(inner) {
			all = append(all, leaves(inner, at)...)
			continue
		}
		all = append(all, leaf{path: at, of: inner})
	}
	return all
}

// surroundings are what else is set when a field is tried: nothing, and what makes the field matter.
func surroundings(path []string) []string {
	all := []string{"{}"}
	switch at := strings.Join(path, "."); {
	case at == "modelServer.version" || at == "modelServer.digest":
		all = append(all, "modelServer: {image: registry.example/vllm}")
	case at == "endpointPicker.version":
		all = append(all, "endpointPicker: {image: registry.example/epp}")
	case at == "chart.version":
		all = append(all, "chart: {dialect: llm-d-router-gateway}")
	case strings.HasPrefix(at, "flux.verify."):
		all = append(all, "flux: {verify: {provider: cosign}}", "flux: {verify: {provider: notation, secretRef: keys}}",
			"flux: {verify: {provider: cosign, secretRef: keys}}")
	case strings.HasPrefix(at, "gateway.default."):
		all = append(all, "gateway: {default: {name: a, namespace: b}}")
	case strings.HasPrefix(at, "gateway.tls."):
		all = append(all, certManager())
	case strings.HasPrefix(at, "gateway.bodyBasedRouting."):
		// The operator looks at the rest only when it is enabled.
		all = []string{"gateway: {bodyBasedRouting: {enabled: true}}"}
	case at == "gateway.implementation":
		all = append(all, "gateway: {bodyBasedRouting: {enabled: true}}")
	}
	return all
}

// candidates are values of a type, good and bad ones for all fields that have it.
func candidates(of leaf) []any {
	switch name := of.path[len(of.path)-1]; {
	case name == "modelsService":
		// The operator lets through what is no name of a Service.
		return []any{"", "a", "A_b", "-a", "a b", "a/b", strings.Repeat("a", 254)}
	case name == "caBundle":
		return bundles()
	case name == "provider" || name == "kind" || of.of.Kind() == reflect.String && of.of.Name() != "string":
		return words()
	}
	switch of.of {
	case reflect.TypeFor[metav1.Duration]():
		return []any{"5m", "1h30m", "90s", "0s", "-5m", "5", "1d"}
	case reflect.TypeFor[corev1.ResourceRequirements]():
		return resources()
	case reflect.TypeFor[[]corev1.EnvVar]():
		return environments()
	case reflect.TypeFor[[]string]():
		return []any{[]any{}, []any{"a"}, []any{"a.b", "c"}, []any{"A"}, []any{"a..b"}, []any{"a", "b_c"}}
	case reflect.TypeFor[[]configv1alpha1.OIDCIdentity]():
		return []any{
			[]any{},
			[]any{map[string]any{"issuer": "^a$", "subject": "^b$"}},
			[]any{map[string]any{"issuer": "(", "subject": "^b$"}},
			[]any{map[string]any{"issuer": "^a$", "subject": "["}},
			[]any{map[string]any{"issuer": "^a$", "subject": ""}},
		}
	case reflect.TypeFor[map[string]string]():
		return []any{
			map[string]any{"a": "b"},
			map[string]any{"example.com/a": ""},
			map[string]any{"a b": "c"},
			map[string]any{"a": "b c"},
			map[string]any{"a/b/c": "d"},
			map[string]any{"a": strings.Repeat("b", 64)},
		}
	}
	switch of.of.Kind() {
	case reflect.Bool:
		return []any{true, false}
	case reflect.Int32:
		return []any{-1, 0, 1, 2}
	default:
		return texts()
	}
}

func texts() []any {
	return []any{
		"", "a.b", "A_b", "a..b", "a b", "a/b", "a/", strings.Repeat("a", 64), strings.Repeat("a", 254), "registry.example:5000/a/b",
		"registry.example/a:v1", "https://registry.example/a", "oci://registry.example/a", "oci://registry.example/a:v1",
		"v1.0.0", "v1.5.0", "v0.10.0", "v9", "sha256:" + strings.Repeat("0f", 32), "sha256:1",
	}
}

// words are those that fields with a closed list of them take, and two that none takes.
func words() []any {
	return []any{
		"", "none", "always", "Always", "FailOpen", "FailClose", "istio", "other", "inferencepool", "llm-d-router-gateway", "cosign", "notation",
		"Issuer", "ClusterIssuer", "AWSPCAIssuer",
	}
}

// authority is the certificate of one, as PEM.
func authority() string {
	// Made for tests of issuers: subject "example authority", good for a hundred years.
	return `-----BEGIN CERTIFICATE-----
MIIBnjCCAUWgAwIBAgIUOG1XPC5FnTDglnrZ+HJ1Y0ff9jQwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRZXhhbXBsZSBhdXRob3JpdHkwIBcNMjYxMTI3MDU1MzAzWhgP
MjEyNjExMDMwNTUzMDNaMBwxGjAYBgNVBAMMEWV4YW1wbGUgYXV0aG9yaXR5MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEwenrVcCa01FpcfQD8bGdJvsgpVNxmGps
fdwoZ6Y24MtgX387kDguTzCAvQkbVqgBd+BZAQqVn5XTIRjRlj39gKNjMGEwHQYD
VR0OBBYEFEEQBXFyUln6ruDVpFi+P1U72XmZMB8GA1UdIwQYMBaAFEEQBXFyUln6
ruDVpFi+P1U72XmZMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMAoG
CCqGSM49BAMCA0cAMEQCID0Wjx9CRG0TktkaTAqxc5ukogKnVKuvxwBTNw4ltgY+
AiA4PqoSycefb2YvtIX3OBOqKUbSoKmGksxw/gcwrkJJlg==
-----END CERTIFICATE-----
`
}

func bundles() []any {
	whole := authority()
	return []any{
		whole, "# one\n" + whole + "# and another\n" + whole, "", "none", whole[:200], whole + whole[:200],
		strings.ReplaceAll(whole, "CERTIFICATE", "PRIVATE KEY"), whole + strings.ReplaceAll(whole, "CERTIFICATE", "PRIVATE KEY"),
	}
}

// certManager has the issuer and the bundle, so that what is tried decides.
func certManager() string {
	return "gateway: {tls: {certManager: {issuerRef: {name: corp}, caBundle: " + strconv.Quote(authority()) + "}}}"
}

func resources() []any {
	var all []any
	for _, amount := range []any{"1", 1, 0.5, "500m", "4Gi", "1e3", "5.", ".5", "1 GB", "1GB", "-1", "x", ""} {
		all = append(all, map[string]any{"limits": map[string]any{"memory": amount}}, map[string]any{"requests": map[string]any{"cpu": amount}})
	}
	return append(all, map[string]any{"limits": map[string]any{"nvidia.com/gpu": 1}})
}

func environments() []any {
	all := []any{[]any{
		map[string]any{"name": "A", "value": "b"},
		map[string]any{"name": "C", "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "a", "key": "b", "optional": true}}},
		map[string]any{"name": "D", "valueFrom": map[string]any{"configMapKeyRef": map[string]any{"name": "a", "key": "b"}}},
		map[string]any{"name": "E", "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "metadata.name", "apiVersion": "v1"}}},
		map[string]any{"name": "F", "valueFrom": map[string]any{"resourceFieldRef": map[string]any{"resource": "limits.cpu", "containerName": "a", "divisor": "1"}}},
	}, []any{map[string]any{"name": "A", "value": "b"}, map[string]any{"name": "A", "value": "c"}}}
	for _, name := range []string{"", "A", "a.b", "_", ".a", "..", "..a", ".", "1", "a b", "a=b"} {
		all = append(all, []any{map[string]any{"name": name, "value": "x"}})
	}
	for _, from := range []map[string]any{
		{"secret": map[string]any{"name": "a"}}, {"secretKeyRef": map[string]any{"name": "a", "keys": "b"}},
	} {
		all = append(all, []any{map[string]any{"name": "A", "valueFrom": from}})
	}
	return all
}

// put sets a field of a configuration.
func put(config map[string]any, path []string, value any) {
	for _, key := range path[:len(path)-1] {
		section, ok := config[key].(map[string]any)
		if !ok {
			section = map[string]any{}
			config[key] = section
		}
		config = section
	}
	config[path[len(path)-1]] = value
}

// TestSupported: the chart knows which versions the operator knows; -update writes them.
func TestSupported(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	want.WriteString("# Versions of charts that the operator knows. Written by go test ./test/chart -run TestSupported -update\n")
	var all []string
	for _, dialect := range configv1alpha1.Dialects() {
		versions := configv1alpha1.SupportedVersions(dialect)
		fmt.Fprintf(&want, "%s: [%s]\n", dialect, strings.Join(versions, ", "))
		all = append(all, versions...)
	}
	all = slices.DeleteFunc(all, func(version string) bool {
		_, err := configv1alpha1.Decode(fmt.Appendf(nil, "apiVersion: %s\nkind: %s\ngateway: {bodyBasedRouting: {enabled: true, version: %s}}",
			configv1alpha1.APIVersion, configv1alpha1.Kind, version))
		return err != nil
	})
	fmt.Fprintf(&want, "bodyBasedRouting: [%s]\n", strings.Join(all, ", "))
	compareFile(t, filepath.Join(chartDir(), "files", "checks", "supported.yaml"), want.String())
}

// compareFile compares a file with what it should be; -update writes it.
func compareFile(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(have)); diff != "" {
		t.Errorf("%s is out of date; rewrite it with -update (-want +have):\n%s", path, diff)
	}
}
