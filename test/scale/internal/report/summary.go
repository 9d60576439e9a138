// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"
)

// promise is one figure that the project commits itself to.
type promise struct {
	what, target string
	// scenario and figure say where it is measured.
	scenario, figure string
}

func promises() []promise {
	return []promise{
		{"burst: all children written, against the floor", "≤ 1.3 × at 1,000", "burst", "all children written, against the floor"},
		{"burst: all Ready, against the floor", "≤ 2 × at 1,000", "burst", "all Ready, against the floor"},
		{"the same in CPU time of controller, API server and etcd", "", "burst", "CPU with API server and etcd, against the floor"},
		{"dry runs per Workspace", "1", "burst", "dry runs per Workspace"},
		{"writes of children per Workspace", "1 for each of 4", "burst", "writes of children per Workspace"},
		{"status writes per Workspace, create to Ready", "≤ 3", "burst", "status writes per Workspace"},
		{"events per Workspace, create to Ready", "≤ 3", "burst", "events per Workspace"},
		{"live reads per Workspace", "0", "burst", "live reads per Workspace"},
		{"reconciles per Workspace, create to Ready", "≤ 6", "burst", "reconciles per Workspace"},
		{"settled: requests except watches and lease", "0", "steady", "requests but watches and lease"},
		{"drift: writes per edited object", "1", "drift", "writes of children per edit"},
		{"half hang: p99 of the others, against none hanging", "≤ 1.1 ×", "hol", "creation to Ready, p99, against none hanging"},
		{"Flux takes 10 s, 200 Workspaces: all Ready after these 10 s", "≤ 2 × floor", "slow", "all Ready, after Flux's 10 s"},
		{"a child turns not ready: Ready=False, p99", "≤ 1 s", "flip", "child not ready to Ready=False, p99"},
		{"it turns ready: Ready=True, p99", "≤ 1 s", "flip", "child ready to Ready=True, p99"},
		{"falls of Ready for each turn (more would be a flap)", "1", "flip", "falls of Ready per turn"},
		{"restart: writes", "0", "restart", "writes"},
		{"restart: queue drained", "≤ 30 s", "restart", "start to queue drained"},
		{"peak RSS", "≤ 96 MiB at 1,000, ≤ 300 MiB at 10,000", "burst", "peak RSS"},
		{"peak RSS of a burst beside foreign objects, against without", "≤ 1.05 ×", "foreign", "peak RSS, against none foreign"},
		{"peak RSS after a restart beside foreign objects, against without", "≤ 1.05 ×", "crowd", "peak RSS, against none foreign"},
		{"growth: writes per Workspace, against bursts of 100", "≤ 1.1 × at 10,000", "growth", "writes per Workspace, against bursts of 100"},
		{"growth: CPU per Workspace, against bursts of 100", "≤ 1.1 × at 10,000", "growth", "CPU per Workspace, against bursts of 100"},
		{"delete: longest of any Workspace", "≤ 1 s", "delete", "deleted to gone, longest"},
	}
}

// summary is a table of every promise with what was measured, in a column for each N.
func summary(records []Scenario) string {
	var sizes []int
	for _, s := range records {
		if !slices.Contains(sizes, s.N) && slices.ContainsFunc(promises(), func(p promise) bool { return p.scenario == s.Scenario }) {
			sizes = append(sizes, s.N)
		}
	}
	slices.Sort(sizes)
	var out strings.Builder
	header, rule := "| figure | target |", "|---|---|"
	for _, n := range sizes {
		header += fmt.Sprintf(" N = %d |", n)
		rule += "---|"
	}
	_, _ = fmt.Fprintf(&out, "\n%s\n%s\n", header, rule)
	for _, p := range promises() {
		row := fmt.Sprintf("| %s | %s |", p.what, p.target)
		for _, n := range sizes {
			row += " " + p.at(records, n) + " |"
		}
		_, _ = fmt.Fprintln(&out, row)
	}
	return out.String()
}

// at is what was measured with n Workspaces; nothing if it was not.
func (p promise) at(records []Scenario, n int) string {
	for _, s := range records {
		if s.Scenario == p.scenario && s.N == n {
			return cell(s, p.figure)
		}
	}
	return ""
}
