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
	digests := NewDigester(manager)
	return func(in any) (any, error) {
		obj, ok := in.(client.Object)
		if !ok {
			// A tombstone of the informer: it was transformed when it came in.
			return in, nil
		}
		// What comes from the server has managed fields.
		if NotedDigest(obj) != "" && obj.GetManagedFields() == nil {
			return in, nil
		}
		digest, err := digests.Owned(obj)
		if err != nil {
			return nil, err
		}
		obj.SetManagedFields(nil)
		obj.SetSelfLink(digest)
		obj.SetAnnotations(kept(obj.GetAnnotations()))
		trim(obj)
		return obj, nil
	}
}

// NotedDigest is the digest of what our field manager owns in a cached object; empty if it owns nothing. It stands in
// metadata.selfLink, which no API server has filled for years: an annotation would be a map for each object, a tenth of
// what a Workspace takes.
func NotedDigest(cached client.Object) string { return cached.GetSelfLink() }

// kept is a copy of annotations without what is only long, or nil if none is left: an empty map is as large as one with a
// few entries.
func kept(annotations map[string]string) map[string]string {
	const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
	if _, long := annotations[lastApplied]; long {
		annotations = maps.Clone(annotations)
		delete(annotations, lastApplied)
	}
	if len(annotations) == 0 {
		return nil
	}
	return annotations
}
