// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// What source-controller and helm-controller were seen to write, in their order.

func poolName(workspace string) string { return workspace + "-inferencepool" }

func eppName(workspace string) string {
	name := poolName(workspace)
	return name[:min(len(name), 40)] + "-epp"
}

// digestOf is the digest of a chart's artifact.
func digestOf(tag string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(tag))) }

func (s *scene) repository(workspace string) *sourcev1.OCIRepository {
	s.t.Helper()
	repository := &sourcev1.OCIRepository{}
	s.until(func() error {
		return s.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: poolName(workspace)}, repository)
	})
	return repository
}

func (s *scene) release(workspace string) *helmv2.HelmRelease {
	s.t.Helper()
	release := &helmv2.HelmRelease{}
	s.until(func() error {
		return s.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: poolName(workspace)}, release)
	})
	return release
}

// fluxDeploys plays Flux until the pool of a Workspace is deployed with the wanted chart and its Endpoint Picker serves.
func (s *scene) fluxDeploys(workspace string) {
	s.t.Helper()
	s.stores(workspace)
	s.runs(workspace)
	s.installs(workspace)
	s.deploys(workspace)
	s.pickerServes(workspace)
}

// stores is source-controller with the wanted chart.
func (s *scene) stores(workspace string) {
	s.t.Helper()
	s.changes()
	repository := s.repository(workspace)
	tag := repository.Spec.Reference.Tag
	revision := tag + "@" + digestOf(tag)
	s.status(repository, func() {
		repository.Status.ObservedGeneration = repository.Generation
		repository.Status.Artifact = &fluxmeta.Artifact{
			Digest: digestOf("file " + tag), Path: "p", URL: "http://source-controller/p", Revision: revision, LastUpdateTime: metav1.Now(),
		}
		meta.SetStatusCondition(&repository.Status.Conditions, metav1.Condition{
			Type: "Ready", Status: metav1.ConditionTrue, Reason: "Succeeded", ObservedGeneration: repository.Generation,
			Message: "stored artifact for digest '" + revision + "'",
		})
	})
}

// sourceFails is source-controller that cannot get the chart.
func (s *scene) sourceFails(workspace, reason, message string) {
	s.t.Helper()
	s.changes()
	repository := s.repository(workspace)
	s.status(repository, func() {
		repository.Status.ObservedGeneration = repository.Generation
		meta.SetStatusCondition(&repository.Status.Conditions, metav1.Condition{
			Type: "Ready", Status: metav1.ConditionFalse, Reason: reason, ObservedGeneration: repository.Generation, Message: message,
		})
	})
}

// releaseReady sets the HelmRelease's condition Ready.
func (s *scene) releaseReady(workspace string, status metav1.ConditionStatus, reason, message string) {
	s.t.Helper()
	release := s.release(workspace)
	s.status(release, func() {
		meta.SetStatusCondition(&release.Status.Conditions, metav1.Condition{
			Type: "Ready", Status: status, Reason: reason, ObservedGeneration: release.Generation, Message: message,
		})
	})
}

// runs is helm-controller at work.
func (s *scene) runs(workspace string) {
	s.t.Helper()
	s.changes()
	s.releaseReady(workspace, metav1.ConditionFalse, "SourceNotReady", "latest generation of object has not been reconciled")
	s.releaseReady(workspace, metav1.ConditionUnknown, "Progressing", "Running 'install' action with timeout of 5m0s")
}

// installs makes what the chart renders, by the values of the HelmRelease: the Endpoint Picker's Deployment and the
// InferencePool.
func (s *scene) installs(workspace string) {
	s.t.Helper()
	s.changes()
	release := s.release(workspace)
	values := struct {
		InferencePool struct {
			ModelServers struct {
				MatchLabels map[inferencev1.LabelKey]inferencev1.LabelValue
			}
			TargetPorts []inferencev1.Port
		}
	}{}
	s.Expect(json.Unmarshal(release.Spec.Values.Raw, &values)).To(gomega.Succeed())
	labels := map[string]string{"helm.toolkit.fluxcd.io/name": release.Name, "helm.toolkit.fluxcd.io/namespace": release.Namespace}
	maps.Copy(labels, release.Spec.CommonMetadata.Labels)
	pods := map[string]string{v1beta1.LabelEndpointPicker: workspace, v1beta1.LabelManagedBy: v1beta1.ManagedBy}
	s.ensure(&appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: eppName(workspace), Namespace: s.namespace, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: pods},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: pods},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "epp", Image: "epp:v1"}}},
			},
		},
	})
	s.ensure(&inferencev1.InferencePool{
		ObjectMeta: metav1.ObjectMeta{Name: release.Name, Namespace: s.namespace, Labels: labels},
		Spec: inferencev1.InferencePoolSpec{
			Selector:    inferencev1.LabelSelector{MatchLabels: values.InferencePool.ModelServers.MatchLabels},
			TargetPorts: values.InferencePool.TargetPorts,
			EndpointPickerRef: &inferencev1.EndpointPickerRef{
				Name: inferencev1.ObjectName(eppName(workspace)), Port: &inferencev1.Port{Number: 9002},
			},
		},
	})
}

func (s *scene) ensure(obj client.Object) {
	s.t.Helper()
	err := s.Create(s.t.Context(), obj)
	if client.IgnoreAlreadyExists(err) != nil {
		s.t.Fatal(err)
	}
}

// deploys is helm-controller's end of an install or upgrade: first the condition, then the history, then the generation.
func (s *scene) deploys(workspace string) {
	s.t.Helper()
	s.changes()
	revision := s.repository(workspace).Status.Artifact.Revision
	tag, digest, _ := strings.Cut(revision, "@")
	version := strings.TrimPrefix(tag, "v") + "+" + strings.TrimPrefix(digest, "sha256:")[:12]
	reason := "InstallSucceeded"
	if len(s.release(workspace).Status.History) > 0 {
		reason = "UpgradeSucceeded"
	}
	s.releaseReady(workspace, metav1.ConditionTrue, reason, "Helm succeeded for release with chart inferencepool@"+version)
	s.history(workspace, helmv2.Snapshot{ChartVersion: version, OCIDigest: digest, Status: "deployed"})
	release := s.release(workspace)
	s.status(release, func() { release.Status.ObservedGeneration = release.Generation })
}

// history adds an entry to the HelmRelease's history.
func (s *scene) history(workspace string, newest helmv2.Snapshot) {
	s.t.Helper()
	release := s.release(workspace)
	newest.Name, newest.Namespace, newest.ChartName = release.Name, s.namespace, "inferencepool"
	newest.Digest, newest.ConfigDigest = digestOf("release"), digestOf("values")
	newest.Version = len(release.Status.History) + 1
	newest.FirstDeployed, newest.LastDeployed = metav1.NewTime(time.Unix(0, 0)), metav1.Now()
	s.status(release, func() {
		for _, older := range release.Status.History {
			older.Status = "superseded"
		}
		release.Status.History = append(helmv2.Snapshots{&newest}, release.Status.History...)
	})
}

// pickerServes lets the Endpoint Picker's pods be Ready until its Deployment is available.
func (s *scene) pickerServes(workspace string) {
	s.t.Helper()
	s.changes()
	s.until(func() error {
		if err := s.readyPods(v1beta1.LabelEndpointPicker, workspace); err != nil {
			return err
		}
		epp := &appsv1.Deployment{}
		if err := s.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: eppName(workspace)}, epp); err != nil {
			return err
		}
		if epp.Status.AvailableReplicas == 0 {
			return errors.New("the endpoint picker is not available")
		}
		return nil
	})
}

// uninstalls removes what the chart rendered for the Workspace phi.
func (s *scene) uninstalls() {
	s.t.Helper()
	s.changes()
	for _, obj := range []client.Object{
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: eppName("phi"), Namespace: s.namespace}},
		&inferencev1.InferencePool{ObjectMeta: metav1.ObjectMeta{Name: poolName("phi"), Namespace: s.namespace}},
	} {
		s.Expect(client.IgnoreNotFound(s.Delete(s.t.Context(), obj, client.PropagationPolicy(metav1.DeletePropagationBackground)))).To(gomega.Succeed())
	}
}

// ready brings a Workspace of one pod to Ready.
func (s *scene) ready(workspace string) *v1beta1.Workspace {
	s.t.Helper()
	s.fluxDeploys(workspace)
	s.serve(workspace)
	return s.expect(workspace, "Ready=True Ready")
}
