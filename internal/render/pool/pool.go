// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pool spells a Plan out as the Flux objects that install an InferencePool with its Endpoint Picker (EPP), from a
// chart of one of the supported dialects.
//
// Whatever the chart offers a value for is set by values; the rest is patched into what the chart rendered, by the
// HelmRelease's post-renderers. Both are written from typed structs. The result is the same for each chart version: the
// EPP passes the restricted Pod Security Standard, states its resources, reads the metrics that current vLLM serves, and
// needs no object outside its namespace. Cluster roles, which charts up to v1.1.0 always render, are dropped: all that
// they allow is to check the tokens of those who scrape the EPP. It follows that nobody can read the metrics of an EPP
// v1.0.x, which insists on such a check; from v1.1.0 on they are served without one.
package pool

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// Object is what a writer of objects needs of each; controller-runtime's client.Object is the same interface.
type Object interface {
	metav1.Object
	runtime.Object
}

// Objects install one pool. Each carries its TypeMeta, labels and owner, so that it can be applied as it is.
type Objects struct {
	// Repository is where the chart comes from.
	Repository *sourcev1.OCIRepository
	// Release installs the chart. Its suspend field is never set: it is the user's.
	Release *helmv2.HelmRelease
	// Disruption lets one EPP pod be evicted at a time; nil unless the EPP is replicated. No chart renders one.
	Disruption *policyv1.PodDisruptionBudget
}

// All are the objects in the order in which to apply them: a release whose source is missing starts with a failure.
func (o Objects) All() []Object {
	objects := []Object{o.Repository, o.Release}
	if o.Disruption != nil {
		objects = append(objects, o.Disruption)
	}
	return objects
}

// Render spells out the pool of a plan for the kind of workload that the API server admitted. It fails if the plan has no
// pool, or with an *outcome.Terminal if the chart version is one that cannot be installed under the Workspace's names.
func Render(p plan.Plan, shape plan.Shape) (Objects, error) {
	objects, err := render(p, shape)
	if err != nil {
		return Objects{}, fmt.Errorf("rendering the pool of %s/%s: %w", p.Namespace, p.Name, err)
	}
	return objects, nil
}

// Supported are the chart versions that a dialect can render, oldest first; none for an unknown dialect.
func Supported(name configv1alpha1.ChartDialect) []string {
	d, err := dialectOf(name)
	if err != nil {
		return nil
	}
	return d.versions()
}

func render(p plan.Plan, shape plan.Shape) (Objects, error) {
	if err := check(p, shape); err != nil {
		return Objects{}, err
	}
	s := settle(p, shape)
	d, err := dialectOf(s.chart.Dialect)
	if err != nil {
		return Objects{}, err
	}
	if !slices.Contains(d.versions(), s.chart.Version) {
		return Objects{}, fmt.Errorf("chart %s %s is not supported: choose one of %s",
			s.chart.Dialect, s.chart.Version, strings.Join(d.versions(), ", "))
	}
	contents, err := d.contents(s)
	if err != nil {
		return Objects{}, err
	}
	objects := Objects{Repository: repository(p, s), Release: release(p, s, contents)}
	if s.replicated() {
		objects.Disruption = disruption(p, d.podLabel())
	}
	return objects, nil
}

func check(p plan.Plan, shape plan.Shape) error {
	switch {
	case p.Pool == nil:
		return errors.New("the plan has no pool")
	case p.Names.Pool == "" || p.Names.EPP == "":
		return errors.New("the plan has no names for the pool and its endpoint picker")
	case p.Port == 0:
		return errors.New("the plan has no port")
	case len(p.Pool.Selector) == 0:
		return errors.New("the plan has no selector")
	case p.Pool.EPP.FailureMode != "" && p.Pool.EPP.FailureMode != configv1alpha1.FailOpen && p.Pool.EPP.FailureMode != configv1alpha1.FailClose:
		return fmt.Errorf("the failure mode %q is not known", p.Pool.EPP.FailureMode)
	case shape != plan.ShapeDeployment && shape != plan.ShapeStatefulSet:
		return fmt.Errorf("the workload's shape %q is not known", shape)
	}
	return checkNames(p)
}

// checkNames lets only names into the patches: YAML has characters, such as U+0085, that do not survive it unquoted.
func checkNames(p plan.Plan) error {
	names := append([]string{p.Namespace, p.Name, p.Names.Pool, p.Names.EPP}, p.Pool.ImagePullSecrets...)
	for _, name := range names {
		if faults := validation.IsDNS1123Subdomain(name); len(faults) > 0 {
			return fmt.Errorf("the plan has an invalid name %q: %s", name, strings.Join(faults, "; "))
		}
	}
	return nil
}
