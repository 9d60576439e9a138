// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/workspace-operator/workspace-operator/test/scale/internal/report"
)

// Between these lines of docs/benchmarks.md stands what was measured; the rest is written by people.
const (
	resultsBegin = "<!-- results: written by make scale-report -->\n"
	resultsEnd   = "<!-- end of results -->\n"
)

// writeReport puts the records of a results file into the page.
func writeReport(results, page string) error {
	file, err := os.Open(results)
	if err != nil {
		return fmt.Errorf("reading results: %w", err)
	}
	defer func() { _ = file.Close() }()
	records, err := report.Read(file)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("reading the page: %w", err)
	}
	before, rest, begins := strings.Cut(string(text), resultsBegin)
	_, after, ends := strings.Cut(rest, resultsEnd)
	if !begins || !ends {
		return errors.New(page + " lacks the lines between which the results go")
	}
	return os.WriteFile(page, []byte(before+resultsBegin+report.Markdown(records)+resultsEnd+after), 0o644)
}
