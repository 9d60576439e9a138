// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import "strings"

// Image returns the reference under which ref is pulled when registry is set: registry takes the place of ref's own
// host, and the path stays, so docker.io/vllm/vllm-openai becomes <registry>/vllm/vllm-openai. An oci:// URL stays one.
// A reference that already lies under registry, or an empty registry, changes nothing.
func Image(registry, ref string) string {
	scheme, path := "", ref
	if rest, isURL := strings.CutPrefix(ref, "oci://"); isURL {
		scheme, path = "oci://", rest
	}
	registry = strings.TrimSuffix(registry, "/")
	if registry == "" || path == "" || strings.HasPrefix(path, registry+"/") {
		return ref
	}
	if host, rest, found := strings.Cut(path, "/"); found && isHost(host) {
		path = rest
	}
	return scheme + registry + "/" + path
}

// isHost tells a registry's host from the first part of a path, as Docker does.
func isHost(part string) bool {
	return part == "localhost" || strings.ContainsAny(part, ".:")
}
