// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package preset

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
)

const gibibyte = 1 << 30

// defaultOverhead is KAITO v0.7's figure: 1.7 GiB of activations plus 0.6 GiB
// that PyTorch does not account for.
const defaultOverhead Bytes = 23 * gibibyte / 10

// Quantity returns b as Kubernetes writes sizes.
func (b Bytes) Quantity() resource.Quantity {
	return *resource.NewQuantity(int64(b), resource.BinarySI)
}

// UnmarshalYAML accepts a Kubernetes quantity.
func (b *Bytes) UnmarshalYAML(node *yaml.Node) error {
	quantity, err := resource.ParseQuantity(node.Value)
	if err != nil || node.Kind != yaml.ScalarNode {
		return fmt.Errorf("want a size such as 14.96Gi, have %q", node.Value)
	}
	*b = Bytes(quantity.Value())
	return nil
}

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// UnmarshalYAML accepts a duration in Go's notation.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	span, err := time.ParseDuration(node.Value)
	if err != nil || node.Kind != yaml.ScalarNode {
		return fmt.Errorf("want a duration such as 45m, have %q", node.Value)
	}
	*d = Duration(span)
	return nil
}

// UnmarshalYAML accepts a map of scalars; true becomes a bare flag.
func (a *Args) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("want a map from vLLM arguments to values")
	}
	args := Args{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i].Value, node.Content[i+1]
		if _, twice := args[name]; twice {
			return fmt.Errorf("%s is given twice", name)
		}
		text, err := argument(name, value)
		if err != nil {
			return err
		}
		args[name] = text
	}
	*a = args
	return nil
}

// argument returns the text of one argument's value.
func argument(name string, value *yaml.Node) (string, error) {
	switch {
	case value.Kind != yaml.ScalarNode || value.ShortTag() == "!!null":
		return "", fmt.Errorf("%s: want a single value, or true for a bare flag", name)
	case value.ShortTag() != "!!bool":
		return value.Value, nil
	}
	var on bool
	if err := value.Decode(&on); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if !on {
		// vLLM's switches take no value: each has a twin that turns it off.
		return "", fmt.Errorf("%s: write no-%s: true instead of false", name, name)
	}
	return "", nil
}

// withDefaults fills what follows from the other fields.
func (p Preset) withDefaults() Preset {
	if p.KVBytesPerToken == 0 {
		p.KVBytesPerToken = p.Attention.BytesPerToken()
	}
	if p.TokenSecret == "" {
		p.TokenSecret = TokenRecommended
		if p.Gated {
			p.TokenSecret = TokenRequired
		}
	}
	if p.Disk == 0 {
		p.Disk = defaultDisk(p.WeightsSize)
	}
	if p.LoadTimeout == 0 {
		p.LoadTimeout = defaultLoadTimeout(p.WeightsSize)
	}
	return p
}

// defaultDisk follows KAITO's rule, weights × 2.5 + 48 GiB rounded up to 10 GiB,
// which leaves room for a second revision during an upgrade.
func defaultDisk(weights Bytes) Bytes {
	const step = 10 * gibibyte
	need := weights*5/2 + 48*gibibyte
	return (need + step - 1) / step * step
}

// defaultLoadTimeout allows 15 minutes for starting and graph capture, plus 20 s
// for each GiB (some 54 MB/s), but never less than KAITO's 30 minutes.
func defaultLoadTimeout(weights Bytes) Duration {
	seconds := 20 * int64((weights+gibibyte-1)/gibibyte)
	return Duration(max(30*time.Minute, 15*time.Minute+time.Duration(seconds)*time.Second))
}
