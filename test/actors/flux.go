// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package actors

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// digest stands for that of any chart: nothing is ever downloaded.
const digest = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

func (w *World) moveRepository(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	r := &sourcev1.OCIRepository{}
	if err := w.cache.Get(ctx, key, r); err != nil {
		return 0, err
	}
	if r.Status.ObservedGeneration == r.Generation && r.Status.Artifact != nil {
		return 0, nil
	}
	if wait := w.wait(item{kind: "OCIRepository", key: key}, r.Generation, w.options.Source); wait > 0 {
		return wait, nil
	}
	revision := tagOf(r) + "@" + digest
	now := metav1.Now()
	status := map[string]any{
		"observedGeneration": r.Generation,
		"url":                "http://source-controller.flux-system.svc/ocirepository/" + key.Namespace + "/" + key.Name + "/latest.tar.gz",
		"artifact": meta.Artifact{
			Path:     "ocirepository/" + key.Namespace + "/" + key.Name + "/" + digest + ".tar.gz",
			URL:      "http://source-controller.flux-system.svc/ocirepository/" + key.Namespace + "/" + key.Name + "/" + digest + ".tar.gz",
			Revision: revision, Digest: digest, LastUpdateTime: now, Size: new(int64(11456)),
		},
		"conditions": []metav1.Condition{
			condition("Ready", metav1.ConditionTrue, "Succeeded", "stored artifact for digest '"+revision+"'", r.Generation),
			condition("ArtifactInStorage", metav1.ConditionTrue, "Succeeded", "stored artifact for digest '"+revision+"'", r.Generation),
		},
	}
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return 0, fmt.Errorf("encoding a status: %w", err)
	}
	if err := w.status(ctx, r, patch); err != nil {
		return 0, err
	}
	w.moved(r)
	return 0, nil
}

func tagOf(r *sourcev1.OCIRepository) string {
	if r.Spec.Reference == nil {
		return "latest"
	}
	return r.Spec.Reference.Tag
}

func condition(kind string, status metav1.ConditionStatus, reason, message string, generation int64) metav1.Condition {
	return metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: generation, LastTransitionTime: metav1.Now(),
	}
}

func (w *World) moveRelease(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	hr, repository := &helmv2.HelmRelease{}, &sourcev1.OCIRepository{}
	if err := w.cache.Get(ctx, key, hr); err != nil {
		return 0, err
	}
	if hr.Spec.ChartRef == nil || hr.DeletionTimestamp != nil {
		return 0, nil
	}
	if err := w.cache.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: hr.Spec.ChartRef.Name}, repository); err != nil {
		return 0, err
	}
	fate := w.fate(hr.Labels[v1beta1.LabelWorkspace])
	if repository.Status.Artifact == nil || repository.Status.ObservedGeneration != repository.Generation || fate == Hangs {
		return 0, nil
	}
	version := strings.TrimPrefix(tagOf(repository), "v") + "+" + strings.TrimPrefix(digest, "sha256:")[:12]
	if isReleased(hr, version) || fate == Fails && hr.Status.ObservedGeneration == hr.Generation {
		return 0, nil
	}
	if wait := w.wait(item{kind: "HelmRelease", key: key}, hr.Generation, w.options.Release); wait > 0 {
		return wait, w.announce(ctx, hr)
	}
	if fate == Fails {
		return 0, w.status(ctx, hr, failedStatus(hr, version))
	}
	if err := w.install(ctx, hr); err != nil {
		return 0, err
	}
	if err := w.status(ctx, hr, releasedStatus(hr, version)); err != nil {
		return 0, err
	}
	w.moved(hr)
	return 0, nil
}

// isReleased says that there is nothing to do about a release.
func isReleased(hr *helmv2.HelmRelease, version string) bool {
	newest := hr.Status.History.Latest()
	return newest != nil && newest.Status == "deployed" && newest.ChartVersion == version &&
		hr.Status.ObservedGeneration == hr.Generation && hr.Status.LastHandledReconcileAt == hr.Annotations[meta.ReconcileRequestAnnotation]
}

// announce says once that an install runs, as helm-controller does before it waits.
func (w *World) announce(ctx context.Context, hr *helmv2.HelmRelease) error {
	for _, c := range hr.Status.Conditions {
		if c.Type == "Reconciling" && c.ObservedGeneration == hr.Generation {
			return nil
		}
	}
	const message = "Running 'install' action with timeout of 5m0s"
	return w.status(ctx, hr, encode(map[string]any{
		"conditions": []metav1.Condition{
			condition("Reconciling", metav1.ConditionTrue, "Progressing", message, hr.Generation),
			condition("Ready", metav1.ConditionUnknown, "Progressing", message, hr.Generation),
		},
	}))
}

func releasedStatus(hr *helmv2.HelmRelease, version string) []byte {
	message := fmt.Sprintf("Helm install succeeded for release %s/%s.v1 with chart inferencepool@%s", hr.Namespace, hr.Name, version)
	return encode(map[string]any{
		"observedGeneration":     hr.Generation,
		"lastAttemptedRevision":  version,
		"lastHandledReconcileAt": hr.Annotations[meta.ReconcileRequestAnnotation],
		"history":                []any{snapshot(hr, version, "deployed")},
		"conditions": []metav1.Condition{
			condition("Ready", metav1.ConditionTrue, "InstallSucceeded", message, hr.Generation),
			condition("Released", metav1.ConditionTrue, "InstallSucceeded", message, hr.Generation),
		},
	})
}

func failedStatus(hr *helmv2.HelmRelease, version string) []byte {
	message := fmt.Sprintf("Helm install failed for release %s/%s with chart inferencepool@%s: timeout waiting for: [Deployment/%s/%s status: 'InProgress']",
		hr.Namespace, hr.Name, version, hr.Namespace, eppName(hr.Name))
	return encode(map[string]any{
		"observedGeneration": hr.Generation, "failures": 1, "installFailures": 1,
		"history": []any{snapshot(hr, version, "failed")},
		"conditions": []metav1.Condition{
			condition("Ready", metav1.ConditionFalse, "InstallFailed", message, hr.Generation),
			condition("Released", metav1.ConditionFalse, "InstallFailed", message, hr.Generation),
		},
	})
}

func snapshot(hr *helmv2.HelmRelease, version, status string) map[string]any {
	now := time.Now().UTC().Format(time.RFC3339)
	return map[string]any{
		"name": hr.Name, "namespace": hr.Namespace, "version": 1, "status": status,
		"chartName": "inferencepool", "chartVersion": version, "appVersion": "0.0.0",
		"digest": digest, "configDigest": digest, "ociDigest": digest, "firstDeployed": now, "lastDeployed": now,
	}
}

// encode is for values that cannot fail to encode.
func encode(status map[string]any) []byte {
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		panic(err)
	}
	return patch
}
