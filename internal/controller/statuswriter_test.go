// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/metrics"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// TestStatusWrittenOnce: a reconcile may have read the Workspace before the status was shown that the one before it wrote,
// and report after it was. It must neither write nor announce that again.
func TestStatusWrittenOnce(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	ws := &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: "phi", UID: "a", Generation: 1}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(ws).WithStatusSubresource(ws).Build()
	heard := &notes{}
	writer := newStatusWriter(c, heard, metrics.New())
	in := status.Input{Generation: 1, Now: metav1.Now(), PlanErr: errors.New("no plan")}

	before := &v1beta1.Workspace{}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(ws), before); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := writer.write(t.Context(), before, in); err != nil {
			t.Fatal(err)
		}
		in.Now = metav1.NewTime(in.Now.Add(1_000_000_000))
	}
	if len(heard.all) != 1 || len(writer.written) != 0 {
		t.Errorf("announced %q, and %d statuses are kept", heard.all, len(writer.written))
	}
	// Nor is the status of one that is gone written to another one of its name.
	before.UID = "b"
	in.PlanErr = errors.New("another one")
	if err := writer.write(t.Context(), before, in); err != nil || len(heard.all) != 1 {
		t.Errorf("announced %q, %v", heard.all, err)
	}
}
