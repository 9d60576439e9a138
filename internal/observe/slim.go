// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"slices"
	"strings"
	"sync"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// common holds what many objects have in common once: names of labels and conditions, reasons, versions and digests of
// charts, labels and owners. Decoders allocate it anew for every object. What it costs is less the memory than the garbage
// collector's way through it, which is what grows with the number of Workspaces. Nothing changes what a cache holds.
type common struct {
	texts   table[string, string]
	numbers table[int32, *int32]
	// labels are the sets of labels that a Workspace's children have in common.
	labels table[[4]string, map[string]string]
	// selectors are maps of one entry.
	selectors table[[2]string, map[string]string]
	// owners are the references to a Workspace that its children have in common.
	owners    table[types.UID, []metav1.OwnerReference]
	artifacts table[string, *fluxmeta.Artifact]
	// history is the newest of a release, by status, version and digest.
	history table[[3]string, helmv2.Snapshots]
}

const (
	// maxCommon bounds what all Workspaces may have in common.
	maxCommon = 4096
	// maxText is the longest text that is looked up.
	maxText = 256
	// maxLabels is enough for ten thousand Workspaces: a set for what we write, and one for what Helm does.
	maxLabels = 32_768
	// maxOwners is as much for references, of which a Workspace has one, and each pool's ReplicaSets have none.
	maxOwners = 16_384
)

func newCommon() *common {
	return &common{
		texts:     newTable[string, string](maxCommon),
		numbers:   newTable[int32, *int32](maxCommon),
		labels:    newTable[[4]string, map[string]string](maxLabels),
		selectors: newTable[[2]string, map[string]string](maxCommon),
		owners:    newTable[types.UID, []metav1.OwnerReference](maxOwners),
		artifacts: newTable[string, *fluxmeta.Artifact](maxCommon),
		history:   newTable[[3]string, helmv2.Snapshots](maxCommon),
	}
}

// table holds values by what they say. What does not fit any more is kept by each object for itself, which is only larger.
type table[K comparable, V any] struct {
	mu   *sync.Mutex
	most int
	held map[K]V
}

func newTable[K comparable, V any](most int) table[K, V] {
	return table[K, V]{mu: &sync.Mutex{}, most: most, held: map[K]V{}}
}

// of is the value of a key, which is made if there is none.
func (t table[K, V]) of(key K, value func() V) V {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.held[key]; ok {
		return known
	}
	if len(t.held) >= t.most {
		// Most of it belongs to what is long gone: names of nodes and Workspaces, old digests.
		clear(t.held)
	}
	made := value()
	t.held[key] = made
	return made
}

// share makes all texts equal to one another the same text in memory.
func (c *common) share(in ...*string) {
	for _, s := range in {
		if *s != "" && len(*s) <= maxText {
			*s = c.texts.of(*s, func() string { return *s })
		}
	}
}

func (c *common) number(in **int32) {
	if p := *in; p != nil {
		*in = c.numbers.of(*p, func() *int32 { return p })
	}
}

func (c *common) conditions(in []metav1.Condition) {
	for i := range in {
		c.share(&in[i].Type, &in[i].Reason, &in[i].Message, (*string)(&in[i].Status))
	}
}

func (c *common) selector(in *metav1.LabelSelector) {
	if in == nil || len(in.MatchLabels) != 1 {
		return
	}
	for name, value := range in.MatchLabels {
		in.MatchLabels = c.selectors.of([2]string{name, value}, func() map[string]string { return in.MatchLabels })
	}
}

// pack puts texts that an object has for itself into one piece of memory, where they would be one each.
func pack(in ...*string) {
	size := 0
	for _, s := range in {
		size += len(*s)
	}
	var all strings.Builder
	all.Grow(size)
	for _, s := range in {
		all.WriteString(*s)
	}
	rest := all.String()
	for _, s := range in {
		*s, rest = rest[:len(*s)], rest[len(*s):]
	}
}

// metadata keeps what is read: the name, the labels that say whose an object is, its controller, and what we noted.
func (c *common) metadata(obj client.Object) {
	obj.SetFinalizers(nil)
	// Decoders of custom resources say it in each object; those of other kinds leave it out.
	obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	obj.SetGenerateName("")
	obj.SetAnnotations(only(obj.GetAnnotations(), keptAnnotations()...))
	if labels := obj.GetLabels(); labels != nil {
		obj.SetLabels(c.labelsOf(labels))
	}
	if owners := obj.GetOwnerReferences(); len(owners) > 0 {
		obj.SetOwnerReferences(c.controllerOf(owners))
	}
	namespace := obj.GetNamespace()
	c.share(&namespace)
	obj.SetNamespace(namespace)
	name, uid, version, note := obj.GetName(), string(obj.GetUID()), obj.GetResourceVersion(), obj.GetSelfLink()
	pack(&name, &uid, &version, &note)
	obj.SetName(name)
	obj.SetUID(types.UID(uid))
	obj.SetResourceVersion(version)
	obj.SetSelfLink(note) // apply.NotedDigest
}

// labelsOf are those of some labels that are read, the same map for all objects that have the same.
func (c *common) labelsOf(in map[string]string) map[string]string {
	var values [4]string
	for i, name := range keptLabels() {
		values[i] = in[name]
		if name == v1beta1.LabelManagedBy {
			c.share(&values[i])
		}
	}
	return c.labels.of(values, func() map[string]string {
		kept := make(map[string]string, 2)
		for i, name := range keptLabels() {
			if values[i] != "" {
				kept[name] = values[i]
			}
		}
		return kept
	})
}

// keptLabels are those that are read of cached children.
func keptLabels() [4]string {
	return [...]string{v1beta1.LabelWorkspace, v1beta1.LabelEndpointPicker, v1beta1.LabelManagedBy, helmReleaseLabel}
}

// keptAnnotations are those that are read of cached children.
func keptAnnotations() []string {
	return []string{
		v1beta1.AnnotationWorkloadHash, v1beta1.AnnotationPlannedFor, v1beta1.AnnotationTouched, fluxmeta.ReconcileRequestAnnotation,
	}
}

func (c *common) controllerOf(owners []metav1.OwnerReference) []metav1.OwnerReference {
	at := slices.IndexFunc(owners, func(o metav1.OwnerReference) bool { return o.Controller != nil && *o.Controller })
	if at < 0 {
		return nil
	}
	o := owners[at]
	kept := func() []metav1.OwnerReference {
		c.share(&o.APIVersion, &o.Kind)
		return []metav1.OwnerReference{{APIVersion: o.APIVersion, Kind: o.Kind, Name: o.Name, UID: o.UID, Controller: o.Controller}}
	}
	known := c.owners.of(o.UID, kept)
	if known[0].APIVersion == o.APIVersion && known[0].Kind == o.Kind && known[0].Name == o.Name {
		return known
	}
	return kept()
}
