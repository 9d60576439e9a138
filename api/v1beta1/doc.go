// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1beta1 is the Workspace API, kaito.sh/v1beta1: the same manifests that users of KAITO v0.7 have, with
// additive, optional fields of our own.
//
// +kubebuilder:object:generate=true
// +groupName=kaito.sh
package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is kaito.sh/v1beta1.
var GroupVersion = schema.GroupVersion{Group: "kaito.sh", Version: "v1beta1"}

var schemeBuilder = runtime.NewSchemeBuilder(func(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion, &Workspace{}, &WorkspaceList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
})

// AddToScheme registers the types of this package.
var AddToScheme = schemeBuilder.AddToScheme
