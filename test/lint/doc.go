// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package lint proves that the rules in .golangci.yml catch what they forbid: its tests, run by make lint, break every
// rule once in a scratch module and expect the finding.
package lint
