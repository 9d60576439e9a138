// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// The CustomResourceDefinitions of the optional APIs, and the version of each that we speak.
const (
	CRDOCIRepository = "ocirepositories.source.toolkit.fluxcd.io"
	CRDHelmRelease   = "helmreleases.helm.toolkit.fluxcd.io"
	CRDInferencePool = "inferencepools.inference.networking.k8s.io"
	// CRDInferenceObjective is needed by old Endpoint Pickers. Objects of it are nothing to us.
	CRDInferenceObjective = "inferenceobjectives.inference.networking.x-k8s.io"
)

// OptionalAPIs maps each optional CustomResourceDefinition to the version that must be served.
func OptionalAPIs() map[string]string {
	return map[string]string{
		CRDOCIRepository: "v1", CRDHelmRelease: "v2", CRDInferencePool: "v1",
		CRDGateway: "v1", CRDGatewayClass: "v1", CRDHTTPRoute: "v1", CRDBackendTLSPolicy: "v1",
		CRDReferenceGrant: "v1beta1", CRDDestinationRule: "v1", CRDCertificate: "v1",
		CRDInferenceObjective: "v1alpha2",
	}
}

// APIs says which optional APIs are served.
type APIs struct {
	// Flux: OCIRepository and HelmRelease.
	Flux bool
	// InferencePool of inference.networking.k8s.io/v1.
	InferencePool bool

	all []string
}

func (a APIs) served(crd string) bool { return slices.Contains(a.all, crd) }

// Routes says that Gateways and HTTPRoutes are served.
func (a APIs) Routes() bool {
	return a.served(CRDGateway) && a.served(CRDGatewayClass) && a.served(CRDHTTPRoute)
}

// Grants says that ReferenceGrants are served.
func (a APIs) Grants() bool { return a.served(CRDReferenceGrant) }

// Certificates says that cert-manager's Certificates are served and made use of.
func (a APIs) Certificates() bool { return a.served(CRDCertificate) }

// MissingForPool are the names of the CustomResourceDefinitions that a pool needs and that are not served, sorted.
func (a APIs) MissingForPool(p *plan.Pool) []string {
	needed := []string{CRDHelmRelease, CRDInferencePool, CRDOCIRepository}
	if configv1alpha1.NeedsObjectives(p.Chart.Dialect, cmp.Or(p.EPP.Version, p.Chart.Version)) {
		needed = append(needed, CRDInferenceObjective)
	}
	missing := slices.DeleteFunc(needed, a.served)
	slices.Sort(missing)
	return missing
}

// missingForRoutes are the names of the CustomResourceDefinitions that routes need and that are not served, sorted.
func (a APIs) missingForRoutes(p plan.Plan) []string {
	needed := []string{CRDGatewayClass, CRDGateway, CRDHTTPRoute}
	switch {
	case p.Route.Implementation == configv1alpha1.ImplementationIstio:
		needed = append(needed, CRDDestinationRule)
	case p.TLS != nil:
		needed = append(needed, CRDBackendTLSPolicy)
	}
	if p.TLS != nil && p.TLS.CertManager != nil {
		needed = append(needed, CRDCertificate)
	}
	if p.Route.BodyBased {
		needed = append(needed, CRDReferenceGrant)
	}
	missing := slices.DeleteFunc(needed, a.served)
	slices.Sort(missing)
	return missing
}

// Served lists the optional CustomResourceDefinitions that are established in the version that we speak.
func Served(ctx context.Context, cache client.Reader) ([]string, error) {
	list := &apiextensionsv1.CustomResourceDefinitionList{}
	if err := cache.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing CustomResourceDefinitions: %w", err)
	}
	wanted := OptionalAPIs()
	var served []string
	for i := range list.Items {
		crd := &list.Items[i]
		if version, ok := wanted[crd.Name]; ok && serves(crd, version) {
			served = append(served, crd.Name)
		}
	}
	slices.Sort(served)
	return served, nil
}

func serves(crd *apiextensionsv1.CustomResourceDefinition, version string) bool {
	established := slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
	})
	return established && crd.DeletionTimestamp == nil &&
		slices.ContainsFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
			return v.Name == version && v.Served
		})
}

// APIsOf sums up a list of served CustomResourceDefinitions.
func APIsOf(served []string) APIs {
	has := func(name string) bool { return slices.Contains(served, name) }
	return APIs{Flux: has(CRDOCIRepository) && has(CRDHelmRelease), InferencePool: has(CRDInferencePool), all: served}
}
