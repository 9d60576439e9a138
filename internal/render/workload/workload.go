// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package workload spells a Plan out as the objects that serve the model: a Deployment, or one StatefulSet per replica of
// a model over several nodes, and the Services in front of them.
package workload

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
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

// Pod is a pod as the workload's controller would make it. A dry run of it answers what a dry run of the workload cannot:
// quota and Pod Security refuse pods, not Deployments, and webhooks that rewrite labels do so on pods.
func (w Workload) Pod() *corev1.Pod {
	var owner metav1.ObjectMeta
	var template corev1.PodTemplateSpec
	if w.Deployment != nil {
		owner, template = w.Deployment.ObjectMeta, *w.Deployment.Spec.Template.DeepCopy()
	} else {
		owner, template = w.StatefulSets[0].ObjectMeta, *w.StatefulSets[0].Spec.Template.DeepCopy()
		template.Labels[v1beta1.LabelPodIndex] = "0"
	}
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: owner.Name + "-",
			Namespace:    owner.Namespace,
			Labels:       template.Labels,
			Annotations:  template.Annotations,
		},
		Spec: template.Spec,
	}
}

// Render spells out the plan. An error means that the plan contradicts itself, which plan.New never lets happen.
func Render(p plan.Plan) (Workload, error) {
	if err := check(p); err != nil {
		return Workload{}, fmt.Errorf("rendering the workload of %s/%s: %w", p.Namespace, p.Name, err)
	}
	w := Workload{Services: services(p)}
	switch {
	case p.Template != nil:
		w.Deployment = deployment(p, templatePod(p), templateDeadline)
	case p.Topology.MultiNode():
		w.StatefulSets = statefulSets(p)
	default:
		w.Deployment = deployment(p, serverPod(p, singleNode(p)), loadDeadline(p))
	}
	var err error
	if w.Hash, err = stamp(w.Workloads(), p.PlannedFor); err != nil {
		return Workload{}, fmt.Errorf("hashing the workload of %s/%s: %w", p.Namespace, p.Name, err)
	}
	return w, nil
}

// objectMeta is that of every object of the plan.
func objectMeta(p plan.Plan, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:            name,
		Namespace:       p.Namespace,
		Labels:          labels(p),
		OwnerReferences: []metav1.OwnerReference{p.Owner},
	}
}

// labels are on every object and every pod.
func labels(p plan.Plan) map[string]string {
	return map[string]string{
		v1beta1.LabelWorkspace: p.Name,
		v1beta1.LabelManagedBy: v1beta1.ManagedBy,
	}
}
