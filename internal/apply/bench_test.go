// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply_test

import (
	"context"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/internal/apply"
)

// desired is about as large as the Deployment of a preset.
func desired() *appsv1.Deployment {
	container := corev1.Container{Name: "model", Image: "docker.io/vllm/vllm-openai:v0.25.0", Args: []string{"--model=m", "--port=5000"}}
	for _, name := range []string{"HOME", "USER", "HF_HOME", "A", "B"} {
		container.Env = append(container.Env, corev1.EnvVar{Name: name, Value: "x"})
	}
	container.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 5000, Protocol: corev1.ProtocolTCP}}
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: "phi-4", Labels: map[string]string{"kaito.sh/workspace": "phi-4"}},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"kaito.sh/workspace": "phi-4"}},
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{container}}},
		},
	}
}

// stored is the same as the API server has it, with the field set that says what of it is ours.
func stored(owned string) *appsv1.Deployment {
	d := desired()
	d.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(owned),
	}}
	return d
}

// everyField is how the API server writes it down.
func everyField() string {
	fields := `"f:name":{},"f:image":{},"f:args":{},"f:env":{`
	for i, env := range desired().Spec.Template.Spec.Containers[0].Env {
		if i > 0 {
			fields += ","
		}
		fields += `"k:{\"name\":\"` + env.Name + `\"}":{".":{},"f:name":{},"f:value":{}}`
	}
	fields += `},"f:ports":{"k:{\"containerPort\":5000,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:name":{},"f:protocol":{}}}`
	return `{"f:metadata":{"f:labels":{"f:kaito.sh/workspace":{}}},"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"model\"}":{".":{},` +
		fields + `}}}}}}`
}

// BenchmarkOwnedDigest is what every cached child costs with each event of it.
func BenchmarkOwnedDigest(b *testing.B) {
	d, digests := stored(everyField()), apply.NewDigester(manager)
	b.ReportAllocs()
	for b.Loop() {
		if digest, err := digests.Owned(d); err != nil || digest == "" {
			b.Fatal(digest, err)
		}
	}
}

// BenchmarkApplyUnchanged is what a reconcile costs for each child that is as wanted. Without a client no request can be
// made: a difference would panic.
func BenchmarkApplyUnchanged(b *testing.B) {
	cached, err := apply.Ingest(manager, func(client.Object) {})(stored(`{"f:metadata":{"f:labels":{}},"f:spec":{}}`))
	if err != nil {
		b.Fatal(err)
	}
	a := apply.New(nil, nil, manager)
	b.ReportAllocs()
	for b.Loop() {
		result, err := a.Apply(context.Background(), desired(), cached.(client.Object))
		if err != nil || result != apply.Unchanged {
			b.Fatal(result, err)
		}
	}
}
