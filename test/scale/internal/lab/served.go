// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
)

// waitServed returns when discovery lists every served version of a CustomResourceDefinition: it does so a moment after the
// definition was written, and clients that look earlier fail.
func (l *Lab) waitServed(ctx context.Context, crd *unstructured.Unstructured) error {
	clients, err := discovery.NewDiscoveryClientForConfig(l.Admin)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, version := range versions {
		fields, ok := version.(map[string]any)
		if !ok || fields["served"] != true {
			continue
		}
		err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
			list, err := clients.ServerResourcesForGroupVersion(fmt.Sprintf("%s/%s", group, fields["name"]))
			// Not found for now; whatever else it is ends in the timeout.
			return err == nil && slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == plural }), nil
		})
		if err != nil {
			return fmt.Errorf("waiting until %s/%s is served: %w", group, fields["name"], err)
		}
	}
	return nil
}
