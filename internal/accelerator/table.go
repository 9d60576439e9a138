// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package accelerator

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
)

//go:embed instances/*.yaml labels.yaml
var builtin embed.FS

// Table knows instance types by name and GPUs by the labels of clouds. It is
// never changed once made, so it may be shared between goroutines.
type Table struct {
	// instances by lower-case name or alias.
	instances map[string]InstanceType
	// gpus by the value of a cloud's accelerator label.
	gpus map[string]gpuRow
}

type instanceFile struct {
	Cloud         string        `yaml:"cloud"`
	InstanceTypes []instanceRow `yaml:"instanceTypes"`
}

type instanceRow struct {
	gpuRow  `yaml:",inline"`
	Name    string   `yaml:"name"`
	Aliases []string `yaml:"aliases"`
	Vendor  Vendor   `yaml:"vendor"`
	Count   int      `yaml:"count"`
	NVMe    bool     `yaml:"nvme"`
	Arch    string   `yaml:"arch"`
}

type labelFile struct {
	GPUs map[string]gpuRow `yaml:"gpus"`
}

type gpuRow struct {
	GPU          string `yaml:"gpu"`
	MemoryPerGPU memory `yaml:"memoryPerGPU"`
}

// memory is a size in bytes, written as a Kubernetes quantity.
type memory int64

func (m *memory) UnmarshalYAML(node *yaml.Node) error {
	quantity, err := resource.ParseQuantity(node.Value)
	if err != nil {
		return fmt.Errorf("line %d: size %q: %w", node.Line, node.Value, err)
	}
	*m = memory(quantity.Value())
	return nil
}

// Default returns the tables that ship with the operator.
func Default() (Table, error) { return load(builtin) }

func load(files fs.FS) (Table, error) {
	t := Table{instances: map[string]InstanceType{}}
	names, err := fs.Glob(files, "instances/*.yaml")
	if err != nil {
		return Table{}, fmt.Errorf("listing instance types: %w", err)
	}
	for _, name := range names {
		var file instanceFile
		if err := decode(files, name, &file); err != nil {
			return Table{}, err
		}
		for _, row := range file.InstanceTypes {
			if err := t.add(file.Cloud, row); err != nil {
				return Table{}, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	var labels labelFile
	if err := decode(files, "labels.yaml", &labels); err != nil {
		return Table{}, err
	}
	t.gpus = labels.GPUs
	return t, nil
}

// decode reads one file and refuses keys that it does not know.
func decode(files fs.FS, name string, into any) error {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return fmt.Errorf("reading accelerators: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("decoding %s: %w", name, err)
	}
	return nil
}

func (t Table) add(cloud string, row instanceRow) error {
	if cloud == "" || row.Name == "" || row.GPU == "" || row.Count < 1 || row.MemoryPerGPU < 1 {
		return fmt.Errorf("instance type %q: want cloud, name, gpu, count and memoryPerGPU", row.Name)
	}
	instance := InstanceType{
		Name:  row.Name,
		Cloud: cloud,
		Accelerator: Accelerator{
			Vendor:       cmp.Or(row.Vendor, VendorNVIDIA),
			Model:        row.GPU,
			Count:        row.Count,
			MemoryPerGPU: int64(row.MemoryPerGPU),
		},
		NVMe: row.NVMe,
		Arch: cmp.Or(row.Arch, "amd64"),
	}
	if instance.Vendor == VendorNVIDIA {
		instance.ResourceName = NVIDIAResource
	}
	for _, name := range append(row.Aliases, row.Name) {
		key := strings.ToLower(name)
		if _, taken := t.instances[key]; taken {
			return fmt.Errorf("instance type %s is given twice", name)
		}
		t.instances[key] = instance
	}
	return nil
}

// Lookup returns the instance type of that name, in upper or lower case. It says
// false for types that no table has, which is no mistake: the node may be known.
func (t Table) Lookup(name string) (InstanceType, bool) {
	instance, ok := t.instances[strings.ToLower(name)]
	return instance, ok
}

// Names returns the names of all instance types of all clouds, sorted.
func (t Table) Names() []string {
	names := map[string]bool{}
	for _, instance := range t.instances {
		names[instance.Name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Nearest returns up to three names that differ from name by a few letters, best
// first, for a name that may be a typing mistake.
func (t Table) Nearest(name string) []string {
	const tolerance = 3
	distance := func(candidate string) int {
		return levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(candidate))
	}
	near := slices.DeleteFunc(t.Names(), func(candidate string) bool { return distance(candidate) > tolerance })
	slices.SortStableFunc(near, func(a, b string) int { return cmp.Compare(distance(a), distance(b)) })
	return near[:min(3, len(near))]
}
