// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package report turns figures into a table for people, one line of JSON for programs, and the page of benchmarks.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Bound is a figure's target.
type Bound struct {
	// Most is the highest value that is good.
	Most float64 `json:"most"`
	// Count says that the value does not depend on how fast the machine is: only such bounds fail a run in CI.
	Count bool `json:"count,omitempty"`
}

// Figure is one measured value.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
	Bound *Bound  `json:"bound,omitempty"`
}

// Good says whether a figure meets its target.
func (f Figure) Good() bool { return f.Bound == nil || f.Value <= f.Bound.Most+1e-9 }

// Scenario is what one scenario gave.
type Scenario struct {
	Scenario string    `json:"scenario"`
	N        int       `json:"n"`
	Commit   string    `json:"commit"`
	Machine  string    `json:"machine"`
	At       time.Time `json:"at"`
	Figures  []Figure  `json:"figures"`
	// Requests are the subject's in the scenario's window, per Workspace.
	Requests map[string]float64 `json:"requests,omitempty"`
}

// Add notes a figure without a target.
func (s *Scenario) Add(name string, value float64, unit string) {
	s.Figures = append(s.Figures, Figure{Name: name, Value: value, Unit: unit})
}

// Limit notes a figure with a target in time or memory.
func (s *Scenario) Limit(name string, value float64, unit string, most float64) {
	s.Figures = append(s.Figures, Figure{Name: name, Value: value, Unit: unit, Bound: &Bound{Most: most}})
}

// Count notes a figure with a target that holds on any machine.
func (s *Scenario) Count(name string, value, most float64) {
	s.Figures = append(s.Figures, Figure{Name: name, Value: value, Bound: &Bound{Most: most, Count: true}})
}

// Value is that of a figure; 0 if there is none.
func (s *Scenario) Value(name string) float64 {
	for _, f := range s.Figures {
		if f.Name == name {
			return f.Value
		}
	}
	return 0
}

// Missed are the figures beyond their targets.
func (s *Scenario) Missed() []Figure {
	return slices.DeleteFunc(slices.Clone(s.Figures), Figure.Good)
}

// Print writes the table, and the JSON line after it.
func (s *Scenario) Print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "\n%s N=%d\tvalue\ttarget\t\n", s.Scenario, s.N)
	for _, f := range s.Figures {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.Name, Format(f.Value, f.Unit), Target(f), Mark(f))
	}
	for _, what := range slices.Sorted(maps.Keys(s.Requests)) {
		_, _ = fmt.Fprintf(table, "  %s\t%s\t\t\n", what, Format(s.Requests[what], "per Workspace"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(s)
}

// Format writes a value with as many digits as mean something.
func Format(value float64, unit string) string {
	text := fmt.Sprintf("%.3f", value)
	switch {
	case value == float64(int64(value)):
		text = fmt.Sprintf("%d", int64(value))
	case value >= 100:
		text = fmt.Sprintf("%.0f", value)
	case value >= 10:
		text = fmt.Sprintf("%.1f", value)
	}
	return strings.TrimSpace(text + " " + unit)
}

// Target writes a figure's bound.
func Target(f Figure) string {
	if f.Bound == nil {
		return ""
	}
	return "≤ " + Format(f.Bound.Most, f.Unit)
}

// Mark says in one word whether a figure with a target meets it.
func Mark(f Figure) string {
	switch {
	case f.Bound == nil:
		return ""
	case f.Good():
		return "ok"
	default:
		return "MISSED"
	}
}

// WriteLine writes the record as one line of JSON.
func (s *Scenario) WriteLine(out io.Writer) error { return json.NewEncoder(out).Encode(s) }
