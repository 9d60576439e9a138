// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// inferencePool judges whether the wanted chart is deployed and its Endpoint Picker available. The rules, and what Flux
// was seen to write in which order, are in docs/architecture.md.
func inferencePool(in Input) verdict {
	const condition = v1beta1.ConditionInferencePoolReady
	c := in.Children
	switch {
	case in.Plan == nil:
		return unplanned(in, condition)
	case in.PoolErr != nil:
		return failed(condition, in.PoolErr)
	case in.PoolChanging || c.Repository == nil || c.Release == nil:
		return no(condition, v1beta1.ReasonPoolProgressing, "OCIRepository and HelmRelease are written, Flux has not looked at them yet")
	case !deployed(in):
		return notDeployed(in)
	case suspended(c):
		return suspendedPool(in)
	}
	if v := release(in); v.status != metav1.ConditionTrue {
		return v
	}
	return picker(in)
}

// deployed says whether the newest release of Helm is the wanted chart. A tag that moved on leaves the HelmRelease Ready
// with the old chart for a while, so Ready alone proves nothing.
func deployed(in Input) bool {
	newest := in.Children.Release.Status.History.Latest()
	if newest == nil || newest.Status != "deployed" {
		return false
	}
	chart := in.Plan.Pool.Chart
	if chart.Digest != "" {
		return newest.OCIDigest == chart.Digest
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(newest.ChartVersion, "v"), "+")
	if version != strings.TrimPrefix(chart.Version, "v") {
		return false
	}
	// Without an artifact (source-controller restarts with an empty disk) what is deployed stays what was wanted.
	stored := storedDigest(in.Children.Repository, chart.Version)
	return stored == "" || stored == newest.OCIDigest
}

// storedDigest is the digest of the stored chart if it is the one of the wanted tag.
func storedDigest(repository *sourcev1.OCIRepository, tag string) string {
	if repository.Status.Artifact == nil {
		return ""
	}
	name, digest, _ := strings.Cut(repository.Status.Artifact.Revision, "@")
	if name != tag {
		return ""
	}
	return digest
}

func stored(in Input) bool {
	artifact := in.Children.Repository.Status.Artifact
	chart := in.Plan.Pool.Chart
	switch {
	case artifact == nil:
		return false
	case chart.Digest != "":
		return artifact.Revision == chart.Digest
	default:
		return storedDigest(in.Children.Repository, chart.Version) != ""
	}
}

func suspended(c Children) bool { return c.Release.Spec.Suspend || c.Repository.Spec.Suspend }

// notDeployed says what keeps the wanted chart from being deployed: its download, its install, or only time.
func notDeployed(in Input) verdict {
	const condition = v1beta1.ConditionInferencePoolReady
	if suspended(in.Children) {
		return no(condition, v1beta1.ReasonSuspended, suspendedMessage(in)+"; the wanted chart is not deployed")
	}
	if !stored(in) {
		if v := source(in); v.status != "" {
			return v
		}
		return no(condition, v1beta1.ReasonPoolProgressing, fmt.Sprintf("Flux downloads chart %s", chartName(in)))
	}
	if t := worst(in.Children.EPPPods); t.reason != "" && t.reason != v1beta1.ReasonLoadingModel {
		return no(condition, t.reason, "endpoint picker: "+t.message)
	}
	if message := notCreated(eppDeployments(in)); message != "" {
		return no(condition, v1beta1.ReasonPodsNotCreated, "endpoint picker: "+message)
	}
	ready := readyOf(in.Children.Release.Status.Conditions)
	if ready != nil && ready.Status == metav1.ConditionFalse && !transient(ready.Reason) {
		return no(condition, fluxReason(ready.Reason), fmt.Sprintf("HelmRelease %s: %s", in.Plan.Names.Pool, ready.Message))
	}
	// A retry makes Ready Unknown for as long as it waits: the failure that it retries is still the news.
	if c := previous(in, condition); retrying(in.Children.Release) && c != nil && c.Status == metav1.ConditionFalse {
		return keep(c)
	}
	return no(condition, v1beta1.ReasonPoolProgressing, fmt.Sprintf("Flux installs chart %s", chartName(in)))
}

func retrying(release *helmv2.HelmRelease) bool {
	return release.Status.Failures > 0 && release.Status.ObservedGeneration == release.Generation
}

func eppDeployments(in Input) []*appsv1.Deployment {
	if in.Children.EPP == nil {
		return nil
	}
	return []*appsv1.Deployment{in.Children.EPP}
}

// source is why the chart cannot be had; without status if nothing is known to be wrong.
func source(in Input) verdict {
	repository := in.Children.Repository
	ready := readyOf(repository.Status.Conditions)
	if ready == nil || ready.Status != metav1.ConditionFalse || ready.ObservedGeneration != repository.Generation {
		return verdict{}
	}
	return no(v1beta1.ConditionInferencePoolReady, fluxReason(ready.Reason),
		fmt.Sprintf("OCIRepository %s: %s", in.Plan.Names.Pool, ready.Message))
}

// release judges the HelmRelease when the wanted chart is deployed.
func release(in Input) verdict {
	const condition = v1beta1.ConditionInferencePoolReady
	hr := in.Children.Release
	ready := readyOf(hr.Status.Conditions)
	progressing := no(condition, v1beta1.ReasonPoolProgressing, fmt.Sprintf("Flux rolls out chart %s with its settings", chartName(in)))
	deployedTrue := yes(condition, v1beta1.ReasonPoolReady, "")
	switch {
	case hr.Generation != hr.Status.ObservedGeneration, ready == nil:
		return progressing
	case ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == hr.Generation:
		return deployedTrue
	case ready.Status == metav1.ConditionFalse && !transient(ready.Reason):
		return no(condition, fluxReason(ready.Reason), fmt.Sprintf("HelmRelease %s: %s", hr.Name, ready.Message))
	}
	// A periodic pass, a drift correction, or a registry that is down do not make a working pool unready.
	if c := previous(in, condition); c != nil && c.Status == metav1.ConditionTrue {
		return deployedTrue
	}
	if v := picker(in); v.status != metav1.ConditionTrue {
		return v
	}
	return progressing
}

// picker judges what the chart made: a HelmRelease stays Ready for minutes after its Endpoint Picker is gone.
func picker(in Input) verdict {
	const condition = v1beta1.ConditionInferencePoolReady
	c := in.Children
	switch reason, message := missing(in); {
	case reason != "" && suspended(c):
		return no(condition, reason, message+"; "+suspendedMessage(in))
	case reason != "":
		return no(condition, reason, message+remedy(in, reason))
	case c.EPP.Status.ObservedGeneration == c.EPP.Generation && c.EPP.Status.AvailableReplicas > 0:
		return yes(condition, v1beta1.ReasonPoolReady, fmt.Sprintf("chart %s is deployed and its endpoint picker is available", chartName(in)))
	}
	if t := worst(c.EPPPods); t.reason != "" && t.reason != v1beta1.ReasonLoadingModel {
		return no(condition, t.reason, "endpoint picker: "+t.message)
	}
	if message := notCreated(eppDeployments(in)); message != "" {
		return no(condition, v1beta1.ReasonPodsNotCreated, "endpoint picker: "+message)
	}
	return no(condition, v1beta1.ReasonEPPNotAvailable, fmt.Sprintf("Deployment %s has no available pod", in.Plan.Names.EPP))
}

func suspendedPool(in Input) verdict {
	v := picker(in)
	if v.status == metav1.ConditionTrue {
		v.reason, v.message = v1beta1.ReasonSuspended, suspendedMessage(in)
	}
	return v
}

func suspendedMessage(in Input) string {
	name, kind := in.Plan.Names.Pool, "helmrelease"
	if !in.Children.Release.Spec.Suspend {
		kind = "ocirepository"
	}
	return fmt.Sprintf("%s %s is suspended by its spec.suspend: changes are not rolled out until it is false", kind, name)
}

func poolStatus(in Input) *v1beta1.InferencePoolStatus {
	p := in.Plan
	s := &v1beta1.InferencePoolStatus{Name: p.Names.Pool, EPPService: p.Names.EPP, Chart: p.Pool.Chart.URL}
	if in.Children.Release == nil {
		return s
	}
	if newest := in.Children.Release.Status.History.Latest(); newest != nil && newest.Status == "deployed" {
		s.Version, _, _ = strings.Cut(newest.ChartVersion, "+")
		s.Digest = newest.OCIDigest
	}
	return s
}

func chartName(in Input) string {
	chart := in.Plan.Pool.Chart
	return string(chart.Dialect) + " " + chart.Version
}

func readyOf(conditions []metav1.Condition) *metav1.Condition {
	return meta.FindStatusCondition(conditions, "Ready")
}

// transient reasons of a HelmRelease come and go around the source, or concern a look at the cluster, and say nothing
// about what is deployed.
func transient(reason string) bool {
	switch reason {
	case "SourceNotReady", "ArtifactFailed", "DependencyNotReady", "Progressing", "HealthCheckCanceled":
		return true
	default:
		return false
	}
}

// fluxReason passes Flux's reason through if it is one of ours too.
func fluxReason(reason string) string {
	switch reason {
	case v1beta1.ReasonAuthenticationFailed, v1beta1.ReasonOCIArtifactPullFailed, v1beta1.ReasonOCIArtifactLayerFailed,
		v1beta1.ReasonVerificationError, v1beta1.ReasonURLInvalid, v1beta1.ReasonInstallFailed, v1beta1.ReasonUpgradeFailed,
		v1beta1.ReasonUninstallFailed, v1beta1.ReasonArtifactFailed, v1beta1.ReasonValuesError, v1beta1.ReasonChartMutateError,
		v1beta1.ReasonAccessDenied, v1beta1.ReasonStateError, v1beta1.ReasonRetriesExceeded:
		return reason
	default:
		return v1beta1.ReasonChartNotReady
	}
}
