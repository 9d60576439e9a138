// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"cmp"
	"maps"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// settings are the choices of a plan's pool with nothing left open, the same for every dialect.
type settings struct {
	namespace string
	workspace string
	names     plan.Names
	port      int32
	selector  map[string]string
	chart     configv1alpha1.Chart
	epp       configv1alpha1.EndpointPicker
	secrets   []string
	timeout   time.Duration
	// tlsSecret holds the certificate to serve; empty lets the EPP make its own.
	tlsSecret string
}

// replicated says that one EPP leads and others stand by.
func (s settings) replicated() bool { return s.epp.Replicas > 1 }

// settle fills in what the plan leaves open, as the configuration's defaults do.
func settle(p plan.Plan, shape plan.Shape) settings {
	c := configv1alpha1.Configuration{Chart: p.Pool.Chart, EndpointPicker: p.Pool.EPP, Flux: p.Pool.Flux}
	configv1alpha1.Default(&c)
	s := settings{
		namespace: p.Namespace,
		workspace: p.Name,
		names:     p.Names,
		port:      p.Port,
		selector:  p.PoolSelector(shape),
		chart:     c.Chart,
		epp:       c.EndpointPicker,
		secrets:   p.Pool.ImagePullSecrets,
		timeout:   c.Flux.InstallTimeout.Duration,
		tlsSecret: p.Pool.TLSSecret,
	}
	if p.Pool.Chart.URL == "" {
		s.chart.URL = plan.Image(p.Pool.Registry, s.chart.URL)
	}
	if p.Pool.EPP.Image == "" {
		s.epp.Image = plan.Image(p.Pool.Registry, s.epp.Image)
	}
	s.epp.Version = cmp.Or(s.epp.Version, s.chart.Version)
	// Claims would name devices that no chart's pod declares.
	s.epp.Resources.Claims = nil
	return s
}

// objectMeta is the metadata of every object of the pool.
func objectMeta(p plan.Plan, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:            name,
		Namespace:       p.Namespace,
		Labels:          labels(p, nil),
		OwnerReferences: []metav1.OwnerReference{p.Owner},
	}
}

// labels are ours on top of more: nobody's configuration may take away what our caches select by.
func labels(p plan.Plan, more map[string]string) map[string]string {
	all := make(map[string]string, len(more)+2)
	maps.Copy(all, more)
	all[v1beta1.LabelWorkspace] = p.Name
	all[v1beta1.LabelManagedBy] = v1beta1.ManagedBy
	return all
}
