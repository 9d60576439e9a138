// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package charts proves what internal/render/pool writes against the published inferencepool charts: it renders each
// version of the chart, taken from the Go module that holds it, as Flux's helm-controller would, and looks at the objects.
// It has only tests, and a module of its own because Helm and kustomize have no place among the operator's dependencies.
package charts
