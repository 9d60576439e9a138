// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

const (
	// Both intervals are jittered by Flux itself.
	sourceInterval  = time.Hour
	releaseInterval = 10 * time.Minute
	retryInterval   = time.Minute

	// maxHistory bounds the Secrets that Helm keeps per release. Nothing rolls back: RetryOnFailure goes forward.
	maxHistory = 3

	// chartMediaType is the layer of an OCI artifact that holds a Helm chart (helm.sh/helm, pkg/registry).
	chartMediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// contents are what a dialect puts into a release.
type contents struct {
	values        *apiextensionsv1.JSON
	postRenderers []helmv2.PostRenderer
}

func repository(p plan.Plan, s settings) *sourcev1.OCIRepository {
	flux := p.Pool.Flux
	object := objectMeta(p, p.Names.Pool)
	object.Labels = labels(p, flux.Labels)
	return &sourcev1.OCIRepository{
		TypeMeta:   metav1.TypeMeta{APIVersion: sourcev1.GroupVersion.String(), Kind: sourcev1.OCIRepositoryKind},
		ObjectMeta: object,
		Spec: sourcev1.OCIRepositorySpec{
			URL:       s.chart.URL,
			Interval:  metav1.Duration{Duration: sourceInterval},
			Reference: &sourcev1.OCIRepositoryRef{Tag: s.chart.Version, Digest: s.chart.Digest},
			// The copy keeps the artifact's digest equal to the registry's, which the readiness check compares.
			LayerSelector:  &sourcev1.OCILayerSelector{MediaType: chartMediaType, Operation: sourcev1.OCILayerCopy},
			SecretRef:      secretRef(flux.SecretRef),
			CertSecretRef:  secretRef(flux.CertSecretRef),
			ProxySecretRef: secretRef(flux.ProxySecretRef),
			Insecure:       flux.Insecure,
			Verify:         verification(flux.Verify),
		},
	}
}

func release(p plan.Plan, s settings, c contents) *helmv2.HelmRelease {
	object := objectMeta(p, p.Names.Pool)
	object.Labels = labels(p, p.Pool.Flux.Labels)
	return &helmv2.HelmRelease{
		TypeMeta:   metav1.TypeMeta{APIVersion: helmv2.GroupVersion.String(), Kind: helmv2.HelmReleaseKind},
		ObjectMeta: object,
		Spec: helmv2.HelmReleaseSpec{
			ChartRef: &helmv2.CrossNamespaceSourceReference{Kind: sourcev1.OCIRepositoryKind, Name: p.Names.Pool},
			// Left to Flux, the release and with it the pool would be named differently as soon as the name is long.
			ReleaseName:        p.Names.Pool,
			Interval:           metav1.Duration{Duration: releaseInterval},
			Timeout:            &metav1.Duration{Duration: s.timeout},
			MaxHistory:         new(maxHistory),
			ServiceAccountName: p.Pool.Flux.ServiceAccountName,
			DriftDetection:     &helmv2.DriftDetection{Mode: helmv2.DriftDetectionEnabled},
			Install:            install(s),
			Upgrade:            upgrade(s),
			Values:             c.values,
			PostRenderers:      c.postRenderers,
			// On the chart's objects themselves, never on the EPP's pods: the pool selects pods by this label.
			CommonMetadata: &helmv2.CommonMetadata{Labels: map[string]string{v1beta1.LabelWorkspace: p.Name}},
		},
	}
}

func install(s settings) *helmv2.Install {
	return &helmv2.Install{
		CRDs:                 helmv2.Skip,
		DisableTakeOwnership: true,
		DisableWait:          s.replicated(),
		Strategy: &helmv2.InstallStrategy{
			Name:          string(helmv2.ActionStrategyRetryOnFailure),
			RetryInterval: &metav1.Duration{Duration: retryInterval},
		},
	}
}

func upgrade(s settings) *helmv2.Upgrade {
	return &helmv2.Upgrade{
		CRDs:                 helmv2.Skip,
		DisableTakeOwnership: true,
		// Only the leader of several EPPs becomes Ready: a wait for all of them never ends well.
		DisableWait: s.replicated(),
		Strategy: &helmv2.UpgradeStrategy{
			Name:          string(helmv2.ActionStrategyRetryOnFailure),
			RetryInterval: &metav1.Duration{Duration: retryInterval},
		},
	}
}

func secretRef(name string) *meta.LocalObjectReference {
	if name == "" {
		return nil
	}
	return &meta.LocalObjectReference{Name: name}
}

func verification(v *configv1alpha1.Verify) *sourcev1.OCIRepositoryVerification {
	if v == nil {
		return nil
	}
	verify := &sourcev1.OCIRepositoryVerification{Provider: v.Provider, SecretRef: secretRef(v.SecretRef)}
	for _, identity := range v.MatchOIDCIdentity {
		verify.MatchOIDCIdentity = append(verify.MatchOIDCIdentity,
			sourcev1.OIDCIdentityMatch{Issuer: identity.Issuer, Subject: identity.Subject})
	}
	return verify
}
