// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"maps"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Ingest returns the cache's transform for children: it notes the digest of what manager owns, lets trim drop what
// nobody reads, and drops the managed fields, which are the larger half of a small object.
func Ingest(manager string, trim func(client.Object)) toolscache.TransformFunc {
	return func(in any) (any, error) {
		obj, ok := in.(client.Object)
		if !ok {
			// A tombstone of the informer: it was transformed when it came in.
			return in, nil
		}
		// What comes from the server has managed fields; the annotation alone could be a user's.
		if _, done := obj.GetAnnotations()[DigestAnnotation]; done && obj.GetManagedFields() == nil {
			return in, nil
		}
		digest, err := OwnedDigest(obj, manager)
		if err != nil {
			return nil, err
		}
		annotations := map[string]string{}
		maps.Copy(annotations, obj.GetAnnotations())
		annotations[DigestAnnotation] = digest
		delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
		obj.SetAnnotations(annotations)
		obj.SetManagedFields(nil)
		trim(obj)
		return obj, nil
	}
}
