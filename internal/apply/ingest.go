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
		obj.SetAnnotations(noted(obj.GetAnnotations(), digest))
		obj.SetManagedFields(nil)
		trim(obj)
		return obj, nil
	}
}

// noted is a copy of annotations with the digest, or nil if there is nothing to note. Most objects of a cache are not ours,
// and an empty map is as large as one with a few entries.
func noted(annotations map[string]string, digest string) map[string]string {
	out := maps.Clone(annotations)
	delete(out, DigestAnnotation)
	delete(out, "kubectl.kubernetes.io/last-applied-configuration")
	switch {
	case digest != "" && out == nil:
		return map[string]string{DigestAnnotation: digest}
	case digest != "":
		out[DigestAnnotation] = digest
	case len(out) == 0:
		return nil
	}
	return out
}
