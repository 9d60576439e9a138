// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package statustest reads the worlds that status is tested with. A case is a directory with input.yaml: documents that
// are each a JSON merge patch on the one before, the first on the world that its base names. So a case says only what is
// special about it, and a sequence of documents is what Flux or the kubelet was seen to write, in that order.
package statustest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// Case is what happens to one Workspace.
type Case struct {
	Name  string
	Steps []Step
}

// Step is one state of the world.
type Step struct {
	// Name says what just happened.
	Name string
	// Values are what conditions must have been from the first step to this one, each change once: "False True".
	Values map[string]string
	// Objects are what the API server has, by names that only the case uses.
	Objects map[string]Object

	input status.Input
}

// Input is what status.Compute is given in this step, with a status of before.
func (s Step) Input(previous v1beta1.WorkspaceStatus) status.Input {
	in := s.input
	in.Previous = previous
	in.Children = Children(s.Objects)
	// Nothing is read of routes while none is wanted.
	if in.Plan == nil || in.Plan.Route == nil {
		in.Routing = status.Routing{}
		return in
	}
	missing, proof, strangers := in.Routing.Missing, in.Routing.Proof, in.Routing.Strangers
	if len(missing) == 0 {
		in.Routing = Routing(s.Objects)
	}
	in.Routing.Missing, in.Routing.Proof, in.Routing.Strangers = missing, proof, strangers
	return in
}

// world is what input.yaml says, once merged.
type world struct {
	Base   string            `json:"base"`
	Step   string            `json:"step"`
	Values map[string]string `json:"values"`

	Generation int64       `json:"generation"`
	Plan       *plan.Plan  `json:"plan"`
	PlanErr    *failure    `json:"planErr"`
	Nodes      []plan.Node `json:"nodes"`
	Shape      plan.Shape  `json:"shape"`

	WorkloadErr      *failure `json:"workloadErr"`
	PoolErr          *failure `json:"poolErr"`
	WorkloadChanging bool     `json:"workloadChanging"`
	PoolChanging     bool     `json:"poolChanging"`

	RouteErr      *failure `json:"routeErr"`
	RouteChanging bool     `json:"routeChanging"`
	// Missing are CustomResourceDefinitions that routes need.
	Missing []string     `json:"missing"`
	Proof   status.Proof `json:"proof"`
	// Strangers keep routers out of Gateways.
	Strangers map[string]string `json:"strangers"`

	Objects map[string]json.RawMessage `json:"objects"`
}

// failure is an error as YAML.
type failure struct {
	// Ending is Terminal, Waiting, or empty for any other error.
	Ending  string `json:"ending"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func (f *failure) err() error {
	switch {
	case f == nil:
		return nil
	case f.Ending == "Terminal":
		return &outcome.Terminal{Reason: f.Reason, Err: errors.New(f.Message)}
	case f.Ending == "Waiting":
		return &outcome.Waiting{Reason: f.Reason, Message: f.Message}
	default:
		return errors.New(f.Message)
	}
}

// Cases reads every case of a directory, in the order of their names.
func Cases(dir fs.FS) ([]Case, error) {
	inputs, err := fs.Glob(dir, "*/input.yaml")
	if err != nil || len(inputs) == 0 {
		return nil, fmt.Errorf("looking for cases: found %d: %w", len(inputs), err)
	}
	var cases []Case
	for _, input := range inputs {
		c, err := readCase(dir, input)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", input, err)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

func readCase(dir fs.FS, input string) (Case, error) {
	c := Case{Name: path.Dir(input)}
	text, err := fs.ReadFile(dir, input)
	if err != nil {
		return c, err
	}
	current := map[string]any{}
	for i, document := range bytes.Split(text, []byte("\n---\n")) {
		var patch map[string]any
		if err := yaml.UnmarshalStrict(document, &patch); err != nil {
			return c, err
		}
		if base, ok := patch["base"].(string); ok {
			if current, err = readBase(dir, base); err != nil {
				return c, err
			}
		}
		current = merge(current, patch)
		step, err := newStep(current, i)
		if err != nil {
			return c, fmt.Errorf("document %d: %w", i+1, err)
		}
		c.Steps = append(c.Steps, step)
		// What a step must have led to is no part of the world.
		delete(current, "values")
	}
	return c, nil
}

func readBase(dir fs.FS, name string) (map[string]any, error) {
	text, err := fs.ReadFile(dir, path.Join("worlds", name+".yaml"))
	if err != nil {
		return nil, err
	}
	base := map[string]any{}
	if err := yaml.UnmarshalStrict(text, &base); err != nil {
		return nil, err
	}
	// A world may itself be told as the difference from another.
	if below, ok := base["base"].(string); ok {
		world, err := readBase(dir, below)
		return merge(world, base), err
	}
	return base, nil
}

// newStep decodes the n-th state of a world. Each is a minute after the one before.
func newStep(current map[string]any, n int) (Step, error) {
	var w world
	if err := decode(current, &w); err != nil {
		return Step{}, err
	}
	step := Step{Name: w.Step, Values: w.Values, Objects: map[string]Object{}, input: status.Input{
		Generation: w.Generation,
		Now:        metav1.NewTime(time.Date(2030, 1, 1, 0, n, 0, 0, time.UTC)),
		Plan:       w.Plan, PlanErr: w.PlanErr.err(), Nodes: w.Nodes, Shape: w.Shape,
		WorkloadErr: w.WorkloadErr.err(), PoolErr: w.PoolErr.err(),
		WorkloadChanging: w.WorkloadChanging, PoolChanging: w.PoolChanging,
		RouteErr: w.RouteErr.err(), RouteChanging: w.RouteChanging,
		Routing: status.Routing{Missing: w.Missing, Proof: w.Proof, Strangers: w.Strangers},
	}}
	if w.PlanErr != nil {
		step.input.Plan = nil
	}
	for name, data := range w.Objects {
		object, err := decodeObject(data)
		if err != nil {
			return Step{}, fmt.Errorf("object %s: %w", name, err)
		}
		step.Objects[name] = object
	}
	return step, nil
}

// decode is strict: a misspelt field would make a case that tests nothing.
func decode(from, into any) error {
	data, err := json.Marshal(from)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// merge applies a JSON merge patch (RFC 7386) to a copy of into.
func merge(into, patch map[string]any) map[string]any {
	out := maps.Clone(into)
	if out == nil {
		out = map[string]any{}
	}
	for _, key := range slices.Sorted(maps.Keys(patch)) {
		switch value := patch[key].(type) {
		case nil:
			delete(out, key)
		case map[string]any:
			below, _ := out[key].(map[string]any)
			out[key] = merge(below, value)
		default:
			out[key] = value
		}
	}
	return out
}
