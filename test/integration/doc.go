// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package integration holds tests against a real API server, with etcd and the controller-manager, and with the operator
// running as the program that is shipped. What kubelets and Flux would do is played by the tests.
package integration
