// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"fmt"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
)

// dialect is a family of charts with one layout of values.
type dialect interface {
	// versions are the chart versions that it can render, oldest first.
	versions() []string
	// podLabel is the key of the label that selects the EPP's pods; its value is the EPP's name.
	podLabel() string
	// contents are the values and patches for one of the versions.
	contents(s settings) (contents, error)
}

func dialectOf(name configv1alpha1.ChartDialect) (dialect, error) {
	switch name {
	case configv1alpha1.DialectInferencePool:
		return inferencePool{}, nil
	case configv1alpha1.DialectLLMDRouter:
		return llmdRouter{}, nil
	default:
		return nil, fmt.Errorf("chart dialect %q is not supported: choose one of %s, %s",
			name, configv1alpha1.DialectInferencePool, configv1alpha1.DialectLLMDRouter)
	}
}
