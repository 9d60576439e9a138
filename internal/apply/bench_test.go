// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/internal/apply"
)

// BenchmarkOwnedDigest is what every cached child costs with each event of it.
func BenchmarkOwnedDigest(b *testing.B) {
	container := corev1.Container{Name: "model", Image: "docker.io/vllm/vllm-openai:v0.25.0", Args: []string{"--model=m", "--port=5000"}}
	fields := `"f:name":{},"f:image":{},"f:args":{},"f:env":{`
	for _, name := range []string{"HOME", "USER", "HF_HOME", "A", "B"} {
		container.Env = append(container.Env, corev1.EnvVar{Name: name, Value: "x"})
		fields += `"k:{\"name\":\"` + name + `\"}":{".":{},"f:name":{},"f:value":{}},`
	}
	fields = fields[:len(fields)-1] + `},"f:ports":{"k:{\"containerPort\":5000,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:name":{}}}`
	container.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 5000, Protocol: corev1.ProtocolTCP}}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: "phi-4", Labels: map[string]string{"kaito.sh/workspace": "phi-4"}},
		Spec:       appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{container}}}},
	}
	owned := `{"f:metadata":{"f:labels":{"f:kaito.sh/workspace":{}}},"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"model\"}":{".":{},` + fields + `}}}}}}`
	d.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(owned),
	}}
	for b.Loop() {
		if digest, err := apply.OwnedDigest(d, manager); err != nil || digest == "" {
			b.Fatal(digest, err)
		}
	}
	b.ReportAllocs()
}
