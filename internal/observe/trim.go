// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"slices"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// The functions below keep of each cached object what is read, and drop the rest. Whether an object is as wanted is
// known from its digest (apply.Ingest), which is taken before.

func (c *common) trimChild(obj client.Object) {
	switch o := obj.(type) {
	case *appsv1.Deployment:
		trimDeployment(o)
		c.number(&o.Spec.Replicas)
	case *appsv1.StatefulSet:
		o.Spec = appsv1.StatefulSetSpec{Replicas: o.Spec.Replicas}
		c.number(&o.Spec.Replicas)
	case *corev1.Service:
		o.Spec = corev1.ServiceSpec{}
	case *policyv1.PodDisruptionBudget:
		o.Spec, o.Status = policyv1.PodDisruptionBudgetSpec{}, policyv1.PodDisruptionBudgetStatus{}
	case *sourcev1.OCIRepository:
		c.trimRepository(o)
	case *helmv2.HelmRelease:
		c.trimRelease(o)
	case *inferencev1.InferencePool:
	case *gatewayv1.BackendTLSPolicy:
		o.Spec, o.Status = gatewayv1.BackendTLSPolicySpec{}, gatewayv1.PolicyStatus{}
	case *route.Certificate:
		o.Spec = route.CertificateSpec{}
		c.conditions(o.Status.Conditions)
	default:
		return
	}
	c.metadata(obj)
}

func trimDeployment(o *appsv1.Deployment) {
	o.Spec = appsv1.DeploymentSpec{Replicas: o.Spec.Replicas}
	o.Status.Conditions = slices.DeleteFunc(o.Status.Conditions, func(c appsv1.DeploymentCondition) bool {
		return c.Type != appsv1.DeploymentReplicaFailure
	})
	if len(o.Status.Conditions) == 0 {
		o.Status.Conditions = nil
	}
	if RouterOf(o) != "" {
		// Any change is news for all Workspaces of the Gateway, and all that they ask is whether one pod serves.
		o.Status = appsv1.DeploymentStatus{AvailableReplicas: min(o.Status.AvailableReplicas, 1), Conditions: o.Status.Conditions}
	}
}

// only is what a map has of some keys, or nil.
func only(in map[string]string, keys ...string) map[string]string {
	var out map[string]string
	for _, key := range keys {
		if value, ok := in[key]; ok {
			if out == nil {
				out = map[string]string{}
			}
			out[key] = value
		}
	}
	return out
}

func (c *common) trimRepository(o *sourcev1.OCIRepository) {
	status := sourcev1.OCIRepositoryStatus{ObservedGeneration: o.Status.ObservedGeneration, Conditions: c.onlyReady(o.Status.Conditions)}
	if artifact := o.Status.Artifact; artifact != nil {
		status.Artifact = c.artifacts.of(artifact.Revision, func() *fluxmeta.Artifact { return &fluxmeta.Artifact{Revision: artifact.Revision} })
	}
	o.Spec, o.Status = sourcev1.OCIRepositorySpec{Suspend: o.Spec.Suspend}, status
}

func (c *common) trimRelease(o *helmv2.HelmRelease) {
	status := helmv2.HelmReleaseStatus{
		ObservedGeneration: o.Status.ObservedGeneration, Failures: o.Status.Failures, Conditions: c.onlyReady(o.Status.Conditions),
	}
	status.LastHandledReconcileAt = o.Status.LastHandledReconcileAt
	if newest := o.Status.History.Latest(); newest != nil {
		status.History = c.history.of([...]string{newest.Status, newest.ChartVersion, newest.OCIDigest}, func() helmv2.Snapshots {
			return helmv2.Snapshots{{Status: newest.Status, ChartVersion: newest.ChartVersion, OCIDigest: newest.OCIDigest}}
		})
	}
	o.Spec, o.Status = helmv2.HelmReleaseSpec{Suspend: o.Spec.Suspend}, status
}

// onlyReady keeps the condition by which a Flux object is judged.
func (c *common) onlyReady(in []metav1.Condition) []metav1.Condition {
	ready := meta.FindStatusCondition(in, fluxmeta.ReadyCondition)
	if ready == nil {
		return nil
	}
	kept := []metav1.Condition{*ready}
	if ready.Status == metav1.ConditionTrue {
		// Success is told at length, with the release's name in it, and read by nobody.
		kept[0].Message = ""
	}
	c.conditions(kept)
	return kept
}

// trimWorkspace drops what nobody reads, and shares what most Workspaces say.
func (c *common) trimWorkspace(in any) (any, error) {
	ws, ok := in.(*v1beta1.Workspace)
	if !ok {
		return in, nil
	}
	ws.ManagedFields = nil
	delete(ws.Annotations, "kubectl.kubernetes.io/last-applied-configuration")
	c.share(&ws.Namespace, &ws.APIVersion, &ws.Kind, &ws.Resource.InstanceType)
	c.number(&ws.Resource.Count)
	c.selector(ws.Resource.LabelSelector)
	if ws.Inference != nil && ws.Inference.Preset != nil {
		c.share(&ws.Inference.Preset.Name, (*string)(&ws.Inference.Preset.AccessMode))
	}
	c.trimStatus(&ws.Status)
	name, uid, version := ws.Name, string(ws.UID), ws.ResourceVersion
	pack(&name, &uid, &version, &ws.Status.Endpoint, &ws.Status.Selector)
	ws.Name, ws.UID, ws.ResourceVersion = name, types.UID(uid), version
	return ws, nil
}

func (c *common) trimStatus(s *v1beta1.WorkspaceStatus) {
	c.share(&s.ReadyOfReplicas)
	if len(s.Conditions) < cap(s.Conditions) {
		s.Conditions = slices.Clone(s.Conditions) // decoders leave room for twice as many
	}
	c.conditions(s.Conditions)
	for i := range s.WorkerNodes {
		c.share(&s.WorkerNodes[i])
	}
	for i := range s.Models {
		c.share(&s.Models[i])
	}
	if workload := s.Workload; workload != nil {
		c.share(&workload.Kind)
	}
	if pool := s.InferencePool; pool != nil {
		c.share(&pool.Chart, &pool.Version, &pool.Digest)
		pack(&pool.Name, &pool.EPPService)
	}
}

// trimPod keeps what says why a pod does not serve.
func trimPod(in any) (any, error) {
	pod, ok := in.(*corev1.Pod)
	if !ok {
		return in, nil
	}
	pod.ManagedFields, pod.Annotations = nil, nil
	pod.Spec = corev1.PodSpec{NodeName: pod.Spec.NodeName}
	pod.Status = corev1.PodStatus{
		Phase: pod.Status.Phase, Reason: pod.Status.Reason, Message: pod.Status.Message,
		Conditions:        neededConditions(pod.Status.Conditions),
		ContainerStatuses: trimContainers(pod.Status.ContainerStatuses), InitContainerStatuses: trimContainers(pod.Status.InitContainerStatuses),
	}
	return pod, nil
}

func neededConditions(in []corev1.PodCondition) []corev1.PodCondition {
	var out []corev1.PodCondition
	for _, c := range in {
		if c.Type == corev1.PodReady || c.Type == corev1.PodScheduled && c.Status != corev1.ConditionTrue {
			out = append(out, corev1.PodCondition{Type: c.Type, Status: c.Status, Reason: c.Reason, Message: c.Message})
		}
	}
	return out
}

func trimContainers(in []corev1.ContainerStatus) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for _, s := range in {
		if s.Ready && s.LastTerminationState.Terminated == nil {
			continue
		}
		out = append(out, corev1.ContainerStatus{
			Name: s.Name, Image: s.Image, Ready: s.Ready, RestartCount: min(s.RestartCount, 1),
			State: trimState(s.State), LastTerminationState: trimState(s.LastTerminationState),
		})
	}
	return out
}

// trimState drops times and ids, so that a container that fails again in the same way is no change.
func trimState(s corev1.ContainerState) corev1.ContainerState {
	if t := s.Terminated; t != nil {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: t.ExitCode, Reason: t.Reason, Message: t.Message}}
	}
	return corev1.ContainerState{Waiting: s.Waiting}
}

// trimNode keeps what the plan reads; heartbeats are no change.
func trimNode(in any) (any, error) {
	node, ok := in.(*corev1.Node)
	if !ok {
		return in, nil
	}
	node.ManagedFields, node.Annotations = nil, nil
	node.Spec = corev1.NodeSpec{Unschedulable: node.Spec.Unschedulable}
	status := corev1.NodeStatus{Allocatable: node.Status.Allocatable}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			status.Conditions = []corev1.NodeCondition{{Type: c.Type, Status: c.Status}}
		}
	}
	node.Status = status
	return node, nil
}

// trimConfigMap keeps inference configurations and presets; most ConfigMaps of a cluster are neither.
func trimConfigMap(in any) (any, error) {
	cm, ok := in.(*corev1.ConfigMap)
	if !ok {
		return in, nil
	}
	cm.ManagedFields, cm.Annotations, cm.BinaryData = nil, nil, nil
	if cm.Labels[v1beta1.LabelPreset] == "true" {
		return cm, nil
	}
	cm.Labels = nil
	text, ok := cm.Data[InferenceConfigKey]
	cm.Data = nil
	if ok {
		cm.Data = map[string]string{InferenceConfigKey: text}
	}
	return cm, nil
}

// trimCRD keeps what says whether an API is served.
func trimCRD(in any) (any, error) {
	crd, ok := in.(*apiextensionsv1.CustomResourceDefinition)
	if !ok {
		return in, nil
	}
	crd.ManagedFields, crd.Annotations, crd.Labels = nil, nil, nil
	spec := apiextensionsv1.CustomResourceDefinitionSpec{Group: crd.Spec.Group}
	for _, v := range crd.Spec.Versions {
		spec.Versions = append(spec.Versions, apiextensionsv1.CustomResourceDefinitionVersion{Name: v.Name, Served: v.Served})
	}
	crd.Spec = spec
	return crd, nil
}
