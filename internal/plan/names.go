// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	poolSuffix     = "-inferencepool"
	headlessSuffix = "-headless"
	eppSuffix      = "-epp"
	routerSuffix   = "-bbr"

	maxLabel = 63 // of DNS, and so of Services
	// maxPoolSource is the longest Workspace name whose pool keeps KAITO's name <ws>-inferencepool: Helm allows 53.
	maxPoolSource = 39
	// maxStatefulSet leaves room for the label controller-revision-hash: the name, a dash and ten characters.
	maxStatefulSet = 52
	// eppBase is where the charts cut the release's name.
	eppBase = 40
	// maxRouter bounds the name of a router, which is a release, a Deployment, a Service and a label's value.
	maxRouter = 40

	shortHash = 5
	longHash  = 8
)

// namesOf returns the names of what a Workspace makes. Names that are too long are cut and told apart by a hash of the
// whole. A name that looks like such a shortened one is shortened too, so that no Workspace can get the name that
// another's was shortened to.
func namesOf(workspace string, t Topology) Names {
	pool := PoolName(workspace)
	return Names{
		Workloads: workloadNames(workspace, t),
		Service:   workspace,
		Headless:  headlessName(workspace),
		Pool:      pool,
		EPP:       EPPName(pool),
	}
}

// EPPName returns what the charts call the Endpoint Picker's Deployment and Service: gie's template
// gateway-api-inference-extension.name cuts the release's name without trimming a dash at its end.
func EPPName(release string) string {
	base := strings.ToLower(release)
	return base[:min(len(base), eppBase)] + eppSuffix
}

// RouterName is the name of what routes by the body at a Gateway: release, Deployment and Service. Gateways may have
// longer names than Services, with dots, and begin with a digit; these are told apart by a hash like those that are cut,
// and so is what looks like one of them.
func RouterName(gateway string) string {
	name := strings.ReplaceAll(gateway, ".", "-")
	if name[0] >= '0' && name[0] <= '9' {
		name = "gateway-" + name
	}
	if name == gateway && len(name)+len(routerSuffix) <= maxRouter && !endsInHash(name, longHash) {
		return name + routerSuffix
	}
	const kept = maxRouter - len(routerSuffix) - 1 - longHash
	return name[:min(len(name), kept)] + "-" + hash(gateway, longHash) + routerSuffix
}

// PoolName is what the pool of a Workspace is called, and the Flux objects that install it.
func PoolName(workspace string) string {
	const kept = 17
	looksShortened := len(workspace) == kept+1+longHash && endsInHash(workspace, longHash)
	if len(workspace) <= maxPoolSource && !looksShortened {
		return workspace + poolSuffix
	}
	return shorten(workspace, kept) + poolSuffix
}

func headlessName(workspace string) string {
	const kept = maxLabel - len(headlessSuffix) - 1 - longHash
	looksShortened := len(workspace) == kept+1+longHash && endsInHash(workspace, longHash)
	if len(workspace)+len(headlessSuffix) <= maxLabel && !looksShortened {
		return workspace + headlessSuffix
	}
	return shorten(workspace, kept) + headlessSuffix
}

// workloadNames returns the Deployment's name, or those of the StatefulSets of a model over several nodes. There is
// always one, also for no replicas: it keeps its place at 0.
func workloadNames(workspace string, t Topology) []string {
	if !t.MultiNode() {
		return []string{workspace}
	}
	names := make([]string, 0, max(1, t.Replicas))
	names = append(names, statefulSetName(workspace))
	for i := int32(1); i < t.Replicas; i++ {
		names = append(names, fmt.Sprintf("%s-%d-%s", workspace[:min(len(workspace), 40)], i, hash(workspace, shortHash)))
	}
	return names
}

func statefulSetName(workspace string) string {
	const kept = maxStatefulSet - 1 - longHash
	if len(workspace) <= maxStatefulSet && !looksLikeStatefulSet(workspace) {
		return workspace
	}
	return shorten(workspace, kept)
}

// looksLikeStatefulSet says whether another Workspace's StatefulSet might have this name.
func looksLikeStatefulSet(name string) bool {
	if endsInHash(name, longHash) {
		return true
	}
	if !endsInHash(name, shortHash) {
		return false
	}
	rest := name[:len(name)-shortHash-1]
	at := strings.LastIndexByte(rest, '-')
	return at > 0 && at+1 < len(rest) && strings.Trim(rest[at+1:], "0123456789") == ""
}

func shorten(name string, kept int) string {
	return name[:min(len(name), kept)] + "-" + hash(name, longHash)
}

// endsInHash says whether name ends in a dash and so many hexadecimal digits.
func endsInHash(name string, digits int) bool {
	at := len(name) - digits - 1
	return at > 0 && name[at] == '-' && strings.Trim(name[at+1:], "0123456789abcdef") == ""
}

func hash(text string, digits int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:digits]
}
