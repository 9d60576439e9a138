// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package chart proves charts/workspace: it renders the chart with many values, hands what comes out to a real API server,
// and runs Flux's own controllers with the rights that the chart gives them. It has only tests, and a module of its own
// because Helm has no place among the operator's dependencies.
package chart
