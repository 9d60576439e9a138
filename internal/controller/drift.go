// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/workspace-operator/workspace-operator/internal/apply"
	"github.com/workspace-operator/workspace-operator/internal/observe"
)

// witness sees what becomes of the objects of one kind, and tells who repairs them.
type witness struct {
	kind    string
	applier *apply.Applier
	losses  *losses
}

func (r *Reconciler) witnessOf(mgr manager.Manager, kind client.Object) witness {
	gvk, err := apiutil.GVKForObject(kind, mgr.GetScheme())
	if err != nil {
		// It is of no kind that is ever applied.
		return witness{}
	}
	return witness{kind: gvk.Kind, applier: r.applier, losses: &r.losses}
}

// ofOthers is a witness for those who do not bring Workspaces back.
func (w witness) ofOthers() witness {
	w.losses = nil
	return w
}

func (w witness) gone(obj client.Object) {
	if w.applier != nil {
		w.applier.Forget(w.kind, client.ObjectKeyFromObject(obj))
	}
	if w.losses != nil {
		w.losses.note(w.kind, obj)
	}
}

// wrote says that an object is as we wrote it last.
func (w witness) wrote(obj client.Object) bool {
	return w.applier != nil && w.applier.Wrote(w.kind, obj)
}

func (w witness) edited(before, after client.Object) {
	if w.applier != nil {
		w.applier.Edited(w.kind, before, after)
	}
}

// losses are the children that caches saw go, until their Workspace looks: what it makes anew then is a repair. Whoever
// notes one brings the Workspace back, so that nothing stays here.
type losses struct {
	mu          sync.Mutex
	byWorkspace map[types.NamespacedName]map[string]bool
}

func (l *losses) note(kind string, obj client.Object) {
	name := observe.WorkspaceOf(obj)
	if name == "" {
		return
	}
	key := types.NamespacedName{Namespace: obj.GetNamespace(), Name: name}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byWorkspace == nil {
		l.byWorkspace = map[types.NamespacedName]map[string]bool{}
	}
	if l.byWorkspace[key] == nil {
		l.byWorkspace[key] = map[string]bool{}
	}
	l.byWorkspace[key][kind+" "+obj.GetName()] = true
}

// take returns the losses of a Workspace, and drops them.
func (l *losses) take(key types.NamespacedName) map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	lost := l.byWorkspace[key]
	delete(l.byWorkspace, key)
	return lost
}

// countRepair counts an object that was put back: edited, or gone and made anew. Secrets are not watched, so that a
// certificate that is renewed looks the same as one that is put back.
func (r *run) countRepair(obj client.Object, result apply.Result) {
	if _, ok := obj.(*corev1.Secret); ok {
		return
	}
	kind := obj.GetObjectKind().GroupVersionKind().Kind
	if result == apply.Repaired || result == apply.Created && r.lost[kind+" "+obj.GetName()] {
		r.metrics.Repaired(kind)
	}
}
