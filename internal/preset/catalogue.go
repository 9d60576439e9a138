// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package preset

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
)

//go:embed catalogue/*.yaml
var builtin embed.FS

// Catalogue is a set of presets. It is never changed once made, so it may be
// shared between goroutines.
type Catalogue struct {
	// presets by name; names are lower case.
	presets map[string]Preset
	// otherNames leads from aliases and lower-case Hugging Face ids to names.
	otherNames map[string]string
}

// Default returns the presets that ship with the operator.
func Default() (Catalogue, error) {
	files, err := fs.Sub(builtin, "catalogue")
	if err != nil {
		return Catalogue{}, fmt.Errorf("opening the built-in catalogue: %w", err)
	}
	return Load(files)
}

// Load returns the presets of all *.yaml files at the top of files. A single
// mistake in one of them is an error.
func Load(files fs.FS) (Catalogue, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return Catalogue{}, fmt.Errorf("listing preset files: %w", err)
	}
	documents := make(map[string]string, len(names))
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return Catalogue{}, fmt.Errorf("reading presets: %w", err)
		}
		documents[name] = string(data)
	}
	catalogue, problems := Catalogue{}.With(documents)
	if len(problems) > 0 {
		return Catalogue{}, fmt.Errorf("loading presets: %w", errors.Join(problems...))
	}
	return catalogue, nil
}

// With returns a catalogue that has the presets of further documents too, given
// by file name or ConfigMap key. An entry replaces the one of the same name as a
// whole. An entry with a mistake is left out and does no harm to the others; the
// errors are of type *Problem, in a stable order.
func (c Catalogue) With(documents map[string]string) (Catalogue, []error) {
	var added []entry
	var problems []error
	for _, file := range sortedKeys(documents) {
		entries, mistakes := decode(file, []byte(documents[file]))
		added = append(added, entries...)
		problems = append(problems, mistakes...)
	}
	added, repeated := withoutRepeated(added)

	presets := map[string]Preset{}
	maps.Copy(presets, c.presets)
	for _, e := range added {
		presets[e.Name] = e.Preset
	}
	problems = append(problems, repeated...)
	problems = append(problems, dropTakenAliases(presets, added)...)
	return Catalogue{presets: presets, otherNames: otherNames(presets)}, problems
}

// withoutRepeated keeps the first of several new entries of one name.
func withoutRepeated(entries []entry) ([]entry, []error) {
	first := map[string]entry{}
	var kept []entry
	var problems []error
	for _, e := range entries {
		if other, taken := first[e.Name]; taken {
			problems = append(problems, e.problem("name", fmt.Sprintf("is already defined at %s:%d", other.file, other.line)))
			continue
		}
		first[e.Name] = e
		kept = append(kept, e)
	}
	return kept, problems
}

// dropTakenAliases removes aliases of new entries that already mean something
// else: an alias must not lead a Workspace to another model than before.
func dropTakenAliases(presets map[string]Preset, added []entry) []error {
	owners := map[string]string{}
	addedNames := map[string]bool{}
	for _, e := range added {
		addedNames[e.Name] = true
	}
	for _, name := range sortedKeys(presets) {
		owners[name] = name
		if !addedNames[name] {
			for _, alias := range presets[name].Aliases {
				owners[alias] = name
			}
		}
	}
	var problems []error
	for _, e := range added {
		var kept []string
		for _, alias := range e.Aliases {
			if owner, taken := owners[alias]; taken {
				problems = append(problems, e.problem("aliases", fmt.Sprintf("%s already means %s", alias, owner)))
				continue
			}
			owners[alias] = e.Name
			kept = append(kept, alias)
		}
		e.Aliases = kept
		presets[e.Name] = e.Preset
	}
	return problems
}

func (e entry) problem(key, message string) *Problem {
	return &Problem{File: e.file, Line: e.line, Preset: e.Name, Key: key, Message: message}
}

// otherNames indexes aliases and, as later KAITO versions name their presets,
// Hugging Face ids. An id that several presets share leads nowhere.
func otherNames(presets map[string]Preset) map[string]string {
	index := map[string]string{}
	users := map[string]int{}
	for _, name := range sortedKeys(presets) {
		id := strings.ToLower(presets[name].Model)
		users[id]++
		index[id] = name
	}
	maps.DeleteFunc(index, func(id, _ string) bool { return users[id] > 1 })
	for _, name := range sortedKeys(presets) {
		for _, alias := range presets[name].Aliases {
			index[alias] = name
		}
	}
	return index
}

// Lookup returns the preset of that name, alias or Hugging Face id, in upper or
// lower case. An unknown name is an *outcome.Terminal that lists the nearest names.
func (c Catalogue) Lookup(name string) (Preset, error) {
	key := strings.ToLower(name)
	if p, ok := c.presets[key]; ok {
		return p, nil
	}
	if p, ok := c.presets[c.otherNames[key]]; ok {
		return p, nil
	}
	return Preset{}, &outcome.Terminal{
		Reason: v1beta1.ReasonUnknownPreset,
		Err:    fmt.Errorf("preset %q is not known%s", name, didYouMean(nearest(key, c.Names()))),
	}
}

// Spellings returns every name by which Lookup finds the preset called name, in lower case, that one first; name alone
// if no preset is called so.
func (c Catalogue) Spellings(name string) []string {
	spellings := []string{name}
	p, ok := c.presets[name]
	if !ok {
		return spellings
	}
	for _, other := range append(slices.Clone(p.Aliases), strings.ToLower(p.Model)) {
		if found, err := c.Lookup(other); err == nil && found.Name == name && !slices.Contains(spellings, other) {
			spellings = append(spellings, other)
		}
	}
	return spellings
}

// Names returns the names of all presets, sorted.
func (c Catalogue) Names() []string { return sortedKeys(c.presets) }

// nearest returns up to three candidates that resemble the word, best first.
func nearest(word string, candidates []string) []string {
	distance := func(candidate string) int {
		whole := levenshtein.ComputeDistance(word, candidate)
		if len(candidate) <= len(word) {
			return whole
		}
		// People leave out endings such as -instruct.
		return min(whole, 1+levenshtein.ComputeDistance(word, candidate[:len(word)]))
	}
	near := slices.DeleteFunc(slices.Clone(candidates), func(candidate string) bool {
		return distance(candidate) > max(2, len(word)/3)
	})
	slices.SortStableFunc(near, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(a), distance(b)), strings.Compare(a, b))
	})
	return near[:min(3, len(near))]
}

func didYouMean(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(names, ", ") + "?"
}

func sortedKeys[M ~map[string]V, V any](m M) []string {
	return slices.Sorted(maps.Keys(m))
}
