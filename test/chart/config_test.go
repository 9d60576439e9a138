// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
)

type schema struct {
	Description string            `json:"description"`
	Properties  map[string]schema `json:"properties"`
	Items       *schema           `json:"items"`
}

// TestConfigSchema: what the operator's file can hold is what config can hold, but for the two fields that are values of
// their own.
func TestConfigSchema(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(chartDir(), "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(fields(reflect.TypeFor[configv1alpha1.Configuration](), ""), func(path string) bool {
		return strings.HasPrefix(path, "featureGates") || path == "registry" || path == "apiVersion" || path == "kind"
	})
	got := properties(s.Properties["config"], "")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields of the configuration and keys of config (-want +got):\n%s", diff)
	}
	gates := fields(reflect.TypeFor[configv1alpha1.FeatureGates](), "")
	ours := slices.DeleteFunc(properties(s.Properties["featureGates"], ""), func(gate string) bool {
		return strings.HasPrefix(s.Properties["featureGates"].Properties[gate].Description, "of KAITO's chart")
	})
	if diff := cmp.Diff(gates, ours); diff != "" {
		t.Errorf("gates (-want +got):\n%s", diff)
	}
}

// TestNoPatterns: a schema would answer with the pattern; files/checks/formats.yaml says in words what to write.
func TestNoPatterns(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"values.schema.json", filepath.Join("charts", "flux", "values.schema.json")} {
		raw, err := os.ReadFile(filepath.Join(chartDir(), file))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), `"pattern"`) {
			t.Errorf("%s has a pattern", file)
		}
	}
}

// TestConfigValues: config has a documented line for each section and field of the first two levels.
func TestConfigValues(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(chartDir(), "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Config map[string]any `json:"config"`
	}
	if err := yaml.Unmarshal(raw, &parsed); err != nil {
		t.Fatal(err)
	}
	for _, path := range fields(reflect.TypeFor[configv1alpha1.Configuration](), "") {
		section, key, nested := strings.Cut(path, ".")
		value, ok := parsed.Config[section]
		switch {
		case section == "featureGates" || section == "registry" || section == "apiVersion" || section == "kind":
		case !ok:
			t.Errorf("values.yaml lacks config.%s", section)
		case nested && !strings.Contains(key, "."):
			if keys, isMap := value.(map[string]any); !isMap || keys[key] == nil {
				t.Errorf("values.yaml lacks config.%s", path)
			}
		}
	}
}

// fields are the paths of a struct's fields in JSON, sorted.
func fields(of reflect.Type, prefix string) []string {
	var all []string
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		inner := field.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		switch {
		case name == "":
			all = append(all, fields(inner, prefix)...)
		case isOurs(inner):
			all = append(all, fields(inner, prefix+name+".")...)
		default:
			all = append(all, prefix+name)
		}
	}
	slices.Sort(all)
	return all
}

// isOurs tells structs of the configuration from those of Kubernetes, which the schema leaves to the API server.
func isOurs(of reflect.Type) bool {
	kubernetes := []reflect.Type{
		reflect.TypeFor[corev1.ResourceRequirements](), reflect.TypeFor[corev1.EnvVar](), reflect.TypeFor[metav1.Duration](),
	}
	return of.Kind() == reflect.Struct && !slices.Contains(kubernetes, of)
}

func properties(s schema, prefix string) []string {
	var all []string
	for name, property := range s.Properties {
		if property.Items != nil && len(property.Items.Properties) > 0 {
			property = *property.Items
		}
		if len(property.Properties) > 0 {
			all = append(all, properties(property, prefix+name+".")...)
			continue
		}
		all = append(all, prefix+name)
	}
	slices.Sort(all)
	return all
}
