// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package workload spells a Plan out as the objects that serve the model: a Deployment, or one StatefulSet per replica of
// a model over several nodes, and the Services in front of them.
package workload

import (
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// Object is what a writer of objects needs of each; controller-runtime's client.Object is the same interface.
type Object interface {
	metav1.Object
	runtime.Object
}

// Workload is everything that a Plan's model server consists of. Each object carries its TypeMeta, labels and owner, so
// that it can be applied as it is.
type Workload struct {
	// Deployment serves a template, or a model of which each pod holds a whole copy; nil if there are StatefulSets.
	Deployment *appsv1.Deployment
	// StatefulSets are one per replica of a model over several nodes, in the order of plan.Names.Workloads. With zero
	// replicas the first stays, scaled to zero.
	StatefulSets []*appsv1.StatefulSet
	// Services are the client Service, and the headless one that StatefulSets need. Empty for a template without port.
	Services []*corev1.Service
	// Hash changes whenever one of Workloads does. Each of those carries the hash of its own content in the annotation
	// kaito.sh/workload-hash; for a Deployment it is this one.
	Hash string
}

// Shape is what the Plan asks for; the API server's answer to a dry run may differ.
func (w Workload) Shape() plan.Shape {
	if w.Deployment != nil {
		return plan.ShapeDeployment
	}
	return plan.ShapeStatefulSet
}

// Workloads are the objects that make pods, which go through a dry run first: the Deployment, or the StatefulSets.
func (w Workload) Workloads() []Object {
	if w.Deployment != nil {
		return []Object{w.Deployment}
	}
	objects := make([]Object, 0, len(w.StatefulSets))
	for _, set := range w.StatefulSets {
		objects = append(objects, set)
	}
	return objects
}

// Objects are all objects in the order in which to apply them: Services first, since the pods of a StatefulSet find each
// other through the headless one.
func (w Workload) Objects() []Object {
	objects := make([]Object, 0, len(w.Services)+len(w.StatefulSets)+1)
	for _, service := range w.Services {
		objects = append(objects, service)
	}
	return append(objects, w.Workloads()...)
}

// Render spells out the plan. An error means that the plan contradicts itself, which plan.New never lets happen.
func Render(p plan.Plan) (Workload, error) {
	if err := check(p); err != nil {
		return Workload{}, fmt.Errorf("rendering the workload of %s/%s: %w", p.Namespace, p.Name, err)
	}
	return Workload{}, errors.ErrUnsupported
}

func check(p plan.Plan) error {
	switch {
	case p.Server == nil && p.Template == nil:
		return errors.New("neither a server nor a template")
	case p.Server != nil && p.Template != nil:
		return errors.New("both a server and a template")
	case p.Template != nil && p.Topology.MultiNode():
		return errors.New("a template cannot span several nodes")
	case p.Server != nil && p.Port == 0:
		return errors.New("a server without a port")
	}
	return nil
}
