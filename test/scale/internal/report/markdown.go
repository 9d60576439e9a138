// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Read reads lines of JSON. Of records of the same scenario and N the last one stays, in the place of the first.
func Read(in io.Reader) ([]Scenario, error) {
	var records []Scenario
	decoder := json.NewDecoder(in)
	for {
		var s Scenario
		err := decoder.Decode(&s)
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading a result: %w", err)
		}
		same := func(o Scenario) bool { return o.Scenario == s.Scenario && o.N == s.N }
		if at := slices.IndexFunc(records, same); at >= 0 {
			records[at] = s
			continue
		}
		records = append(records, s)
	}
}

// Markdown writes a table of what is promised, and a section for each scenario with a column for each N.
func Markdown(records []Scenario) string {
	var out strings.Builder
	_, _ = out.WriteString(summary(records))
	var done []string
	for _, s := range records {
		if slices.Contains(done, s.Scenario) {
			continue
		}
		done = append(done, s.Scenario)
		same := slices.DeleteFunc(slices.Clone(records), func(o Scenario) bool { return o.Scenario != s.Scenario })
		slices.SortStableFunc(same, func(a, b Scenario) int { return a.N - b.N })
		section(&out, same)
	}
	return out.String()
}

func section(out *strings.Builder, records []Scenario) {
	last := records[len(records)-1]
	_, _ = fmt.Fprintf(out, "\n### %s\n\n", last.Scenario)
	for _, s := range records {
		_, _ = fmt.Fprintf(out, "N = %d: commit %s, %s, %s.  \n", s.N, s.Commit, s.Machine, s.At.Format("2006-01-02"))
	}
	header, rule := "\n| figure | target |", "|---|---|"
	for _, s := range records {
		header += fmt.Sprintf(" N = %d |", s.N)
		rule += "---|"
	}
	_, _ = fmt.Fprintf(out, "%s\n%s\n", header, rule)
	for _, f := range last.Figures {
		row := fmt.Sprintf("| %s | %s |", f.Name, targets(records, f.Name))
		for _, s := range records {
			row += " " + cell(s, f.Name) + " |"
		}
		_, _ = fmt.Fprintln(out, row)
	}
	for _, what := range slices.Sorted(maps.Keys(last.Requests)) {
		row := fmt.Sprintf("| requests: `%s` | |", what)
		for _, s := range records {
			row += fmt.Sprintf(" %.4g |", s.Requests[what])
		}
		_, _ = fmt.Fprintln(out, row)
	}
}

// targets are the bounds of a figure, all of them where they depend on N.
func targets(records []Scenario, name string) string {
	var all []string
	for _, s := range records {
		for _, f := range s.Figures {
			if f.Name == name && f.Bound != nil {
				all = append(all, Target(f))
			}
		}
	}
	return strings.Join(slices.Compact(all), ", ")
}

// cell is a value, in bold where it misses its target.
func cell(s Scenario, name string) string {
	for _, f := range s.Figures {
		switch {
		case f.Name != name:
		case f.Good():
			return Format(f.Value, f.Unit)
		default:
			return "**" + Format(f.Value, f.Unit) + "**"
		}
	}
	return ""
}
