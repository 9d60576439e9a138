// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e holds tests on a whole cluster: real pods, real Flux, the real chart and its Endpoint Picker. Only the model
// server is a stand-in. The tests have the build tag e2e, so that nothing else runs them; `make e2e` does.
//
// With KUBECONFIG they use that cluster, which needs Flux, the CRDs of the inference extension and at least two nodes with
// GPUs that carry the label apps=llm. Without it they start one by bin/cluster and take it down again. There the images
// v1.4.0 and v1.5.0 of Endpoint Picker and body-based routing hold the same programs, those of v1.5.0: tests that upgrade
// from one to the other change charts, flags and pods, but not the programs.
//
// A top-level test is one configuration of the operator, which runs as a process beside the cluster. Its subtests run at
// the same time, each in a namespace of its own.
package e2e
