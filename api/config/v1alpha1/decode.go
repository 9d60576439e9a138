// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"errors"
	"fmt"

	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// Decode returns the configuration of a YAML or JSON file with defaults filled in. Unknown and repeated keys, another
// apiVersion or kind, and values that cannot work are errors; all of them are reported at once.
func Decode(data []byte) (Configuration, error) {
	var c Configuration
	text, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return Configuration{}, fmt.Errorf("reading the configuration: %w", err)
	}
	unknown, err := json.UnmarshalStrict(text, &c)
	if err != nil {
		return Configuration{}, fmt.Errorf("reading the configuration: %w", err)
	}
	if c.APIVersion != APIVersion || c.Kind != Kind {
		return Configuration{}, fmt.Errorf("reading the configuration: have apiVersion %q, kind %q: write apiVersion: %s and kind: %s",
			c.APIVersion, c.Kind, APIVersion, Kind)
	}
	Default(&c)
	if err := errors.Join(errors.Join(unknown...), c.Validate()); err != nil {
		return Configuration{}, fmt.Errorf("reading the configuration: %w", err)
	}
	return c, nil
}
