// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/test/scale/internal/report"
)

func burst(n int, writes float64) *report.Scenario {
	s := &report.Scenario{Scenario: "burst", N: n, Commit: "abc"}
	s.Add("writes per Workspace", writes, "")
	s.Count("status writes per Workspace", writes-6, 3)
	s.Limit("peak RSS", 97, "MiB", 96)
	return s
}

func TestMissed(t *testing.T) {
	t.Parallel()
	var got []string
	for _, f := range burst(100, 10).Missed() {
		got = append(got, f.Name)
	}
	if diff := cmp.Diff([]string{"status writes per Workspace", "peak RSS"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestMarkdown writes and reads the file of results too: the later record of the same scenario and N counts.
func TestMarkdown(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	growth := &report.Scenario{Scenario: "growth", N: 1000}
	growth.Limit("CPU per Workspace, against bursts of 100", 1.2, "×", 1.1)
	for _, s := range []*report.Scenario{burst(100, 99), burst(1000, 8), growth, burst(100, 7)} {
		if err := s.WriteLine(&file); err != nil {
			t.Fatal(err)
		}
	}
	records, err := report.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	page := report.Markdown(records)
	for _, line := range []string{
		"| figure | target | N = 100 | N = 1000 |",
		"| status writes per Workspace, create to Ready | ≤ 3 | 1 | 2 |",
		"| peak RSS | ≤ 96 MiB at 1,000, ≤ 300 MiB at 10,000 | **97 MiB** | **97 MiB** |",
		"| growth: CPU per Workspace, against bursts of 100 | ≤ 1.1 × at 10,000 |  | **1.200 ×** |",
		"### burst",
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("%q is not in\n%s", line, page)
		}
	}
}
