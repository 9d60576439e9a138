// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// texts holds each of the short texts that most objects have in common once: names of labels and conditions, reasons,
// versions and digests of charts. Decoders allocate them anew for every object, which at ten thousand Workspaces is a
// quarter of the cache.
type texts struct {
	mu   sync.Mutex
	seen map[string]string
	// labels are the sets of labels that a Workspace's children have in common. Nothing changes what a cache holds.
	labels map[[4]string]map[string]string
	// owners are the references to a Workspace that its children have in common.
	owners map[types.UID][]metav1.OwnerReference
}

const (
	// maxTexts and maxText bound the table. What is beyond is kept by each object for itself, which is only larger.
	maxTexts = 4096
	maxText  = 256
	// maxLabels is enough for ten thousand Workspaces: a set for what we write, and one for what Helm does.
	maxLabels = 32_768
	// maxOwners is as much for references, of which a Workspace has one, and each pool's ReplicaSets have none.
	maxOwners = 16_384
)

func newTexts() *texts {
	return &texts{
		seen: map[string]string{}, labels: map[[4]string]map[string]string{}, owners: map[types.UID][]metav1.OwnerReference{},
	}
}

// share makes all texts equal to one another the same text in memory.
func (t *texts) share(in ...*string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range in {
		if *s == "" || len(*s) > maxText {
			continue
		}
		if known, ok := t.seen[*s]; ok {
			*s = known
			continue
		}
		if len(t.seen) >= maxTexts {
			// Most of it belongs to what is long gone: names of nodes and Workspaces, old digests.
			clear(t.seen)
		}
		t.seen[*s] = *s
	}
}

func (t *texts) conditions(in []metav1.Condition) {
	for i := range in {
		t.share(&in[i].Type, &in[i].Reason, &in[i].Message, (*string)(&in[i].Status))
	}
}

// metadata keeps what is read: the name, the labels that say whose an object is, and its controller.
func (t *texts) metadata(obj client.Object) {
	obj.SetFinalizers(nil)
	// Decoders of custom resources say it in each object; those of other kinds leave it out.
	obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	obj.SetGenerateName("")
	if labels := obj.GetLabels(); labels != nil {
		obj.SetLabels(t.labelsOf(labels))
	}
	if owners := obj.GetOwnerReferences(); len(owners) > 0 {
		obj.SetOwnerReferences(t.controllerOf(owners))
	}
	namespace := obj.GetNamespace()
	t.share(&namespace)
	obj.SetNamespace(namespace)
}

// labelsOf are those of some labels that are read, the same map for all objects that have the same.
func (t *texts) labelsOf(in map[string]string) map[string]string {
	var values [4]string
	for i, name := range keptLabels() {
		values[i] = in[name]
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.labels[values]; ok {
		return known
	}
	kept := make(map[string]string, 2)
	for i, name := range keptLabels() {
		if values[i] != "" {
			kept[name] = values[i]
		}
	}
	if len(t.labels) >= maxLabels {
		clear(t.labels)
	}
	t.labels[values] = kept
	return kept
}

// keptLabels are those that are read of cached children.
func keptLabels() [4]string {
	return [...]string{v1beta1.LabelWorkspace, v1beta1.LabelEndpointPicker, v1beta1.LabelManagedBy, helmReleaseLabel}
}

func (t *texts) controllerOf(owners []metav1.OwnerReference) []metav1.OwnerReference {
	at := slices.IndexFunc(owners, func(o metav1.OwnerReference) bool { return o.Controller != nil && *o.Controller })
	if at < 0 {
		return nil
	}
	o := owners[at]
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.owners[o.UID]
	if len(known) == 1 && known[0].APIVersion == o.APIVersion && known[0].Kind == o.Kind && known[0].Name == o.Name {
		return known
	}
	if len(t.owners) >= maxOwners {
		clear(t.owners)
	}
	kept := []metav1.OwnerReference{{APIVersion: o.APIVersion, Kind: o.Kind, Name: o.Name, UID: o.UID, Controller: o.Controller}}
	t.owners[o.UID] = kept
	return kept
}
