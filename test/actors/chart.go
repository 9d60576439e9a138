// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// values is the part of the pool chart's values that ends up in what it installs.
type values struct {
	InferencePool struct {
		ModelServers struct {
			MatchLabels map[inferencev1.LabelKey]inferencev1.LabelValue `json:"matchLabels"`
		} `json:"modelServers"`
		TargetPorts []inferencev1.Port `json:"targetPorts"`
	} `json:"inferencePool"`
}

// eppName is what the chart calls the Endpoint Picker of a release.
func eppName(release string) string { return release[:min(len(release), 40)] + "-epp" }

// install writes what the chart would: its InferencePool, and an Endpoint Picker that is available at once.
func (w *World) install(ctx context.Context, hr *helmv2.HelmRelease) error {
	var v values
	if err := json.Unmarshal(hr.Spec.Values.Raw, &v); err != nil {
		return fmt.Errorf("reading the values of HelmRelease %s: %w", hr.Name, err)
	}
	meta := metav1.ObjectMeta{Namespace: hr.Namespace, Labels: map[string]string{
		helmLabel: hr.Name, "helm.toolkit.fluxcd.io/namespace": hr.Namespace,
		"app.kubernetes.io/name": eppName(hr.Name), "app.kubernetes.io/version": "v1.5.0", "app.kubernetes.io/managed-by": "Helm",
	}}
	if common := hr.Spec.CommonMetadata; common != nil {
		for name, value := range common.Labels {
			meta.Labels[name] = value
		}
	}
	if err := w.write(ctx, inferencePool(hr, meta, v)); err != nil {
		return err
	}
	epp := endpointPicker(hr, meta)
	if err := w.write(ctx, epp); err != nil {
		return err
	}
	return w.status(ctx, epp, DeploymentStatus(epp.Generation, 1, 1))
}

// write creates obj, or replaces its spec.
func (w *World) write(ctx context.Context, obj client.Object) error {
	err := w.client.Create(ctx, obj)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	current, ok := obj.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("%T is no object", obj)
	}
	if err := w.client.Get(ctx, client.ObjectKeyFromObject(obj), current); err != nil {
		return err
	}
	obj.SetResourceVersion(current.GetResourceVersion())
	return w.client.Update(ctx, obj)
}

func inferencePool(hr *helmv2.HelmRelease, meta metav1.ObjectMeta, v values) *inferencev1.InferencePool {
	meta.Name = hr.Name
	return &inferencev1.InferencePool{
		ObjectMeta: meta,
		Spec: inferencev1.InferencePoolSpec{
			TargetPorts: v.InferencePool.TargetPorts,
			Selector:    inferencev1.LabelSelector{MatchLabels: v.InferencePool.ModelServers.MatchLabels},
			EndpointPickerRef: &inferencev1.EndpointPickerRef{
				Name: inferencev1.ObjectName(eppName(hr.Name)), Port: &inferencev1.Port{Number: 9002},
			},
		},
	}
}

func endpointPicker(hr *helmv2.HelmRelease, meta metav1.ObjectMeta) *appsv1.Deployment {
	meta.Name = eppName(hr.Name)
	selector := map[string]string{"inferencepool": eppName(hr.Name)}
	pod := map[string]string{"inferencepool": eppName(hr.Name), v1beta1.LabelEndpointPicker: hr.Labels[v1beta1.LabelWorkspace]}
	return &appsv1.Deployment{
		ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(1)),
			Selector: &metav1.LabelSelector{MatchLabels: selector},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: pod},
				Spec: corev1.PodSpec{
					ServiceAccountName: eppName(hr.Name),
					Containers: []corev1.Container{{
						Name: "epp", Image: "registry.k8s.io/gateway-api-inference-extension/epp:v1.5.0",
						Args: []string{
							"--pool-name", hr.Name, "--pool-namespace", hr.Namespace, "--zap-encoder", "json",
							"--config-file", "/config/default-plugins.yaml", "--tracing=false",
						},
						Ports: []corev1.ContainerPort{
							{Name: "grpc", ContainerPort: 9002}, {Name: "grpc-health", ContainerPort: 9003}, {Name: "metrics", ContainerPort: 9090},
						},
						VolumeMounts: []corev1.VolumeMount{{Name: "plugins-config-volume", MountPath: "/config"}},
					}},
					Volumes: []corev1.Volume{{Name: "plugins-config-volume", VolumeSource: corev1.VolumeSource{
						ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: eppName(hr.Name)}},
					}}},
				},
			},
		},
	}
}

// uninstall removes what install made, when the release is gone.
func (w *World) uninstall(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	meta := metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}
	pool := w.client.Delete(ctx, &inferencev1.InferencePool{ObjectMeta: meta})
	meta.Name = eppName(strings.ToLower(key.Name))
	epp := w.client.Delete(ctx, &appsv1.Deployment{ObjectMeta: meta})
	return 0, errors.Join(client.IgnoreNotFound(pool), client.IgnoreNotFound(epp))
}
