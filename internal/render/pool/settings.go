// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"cmp"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

const ociScheme = "oci://"

// settings are the choices of a plan's pool with nothing left open, the same for every dialect.
type settings struct {
	namespace string
	names     plan.Names
	port      int32
	selector  map[string]string
	chart     configv1alpha1.Chart
	epp       configv1alpha1.EndpointPicker
	secrets   []string
	timeout   time.Duration
}

// replicated says that one EPP leads and others stand by.
func (s settings) replicated() bool { return s.epp.Replicas > 1 }

// settle fills in what the configuration leaves to the dialect and to us.
func settle(p plan.Plan, shape plan.Shape, d dialect) settings {
	s := settings{
		namespace: p.Namespace,
		names:     p.Names,
		port:      p.Port,
		selector:  maps.Clone(p.Pool.Selector),
		chart:     p.Pool.Chart,
		epp:       p.Pool.EPP,
		secrets:   p.Pool.ImagePullSecrets,
		timeout:   cmp.Or(p.Pool.Flux.InstallTimeout.Duration, 5*time.Minute),
	}
	if shape == plan.ShapeStatefulSet {
		// Only pod 0 of a multi-node set serves HTTP; the pool must not select its workers.
		s.selector[v1beta1.LabelPodIndex] = "0"
	}
	defaults := d.defaults()
	s.chart.Dialect = cmp.Or(s.chart.Dialect, defaults.dialect)
	s.chart.Version = cmp.Or(s.chart.Version, defaults.version)
	s.chart.URL = cmp.Or(s.chart.URL, ociScheme+mirrored(p.Pool.Registry, strings.TrimPrefix(defaults.url, ociScheme)))
	s.epp.Image = cmp.Or(s.epp.Image, mirrored(p.Pool.Registry, defaults.image))
	s.epp.Version = cmp.Or(s.epp.Version, s.chart.Version)
	s.epp.PullPolicy = cmp.Or(s.epp.PullPolicy, corev1.PullIfNotPresent)
	s.epp.Replicas = max(s.epp.Replicas, 1)
	s.epp.FailureMode = cmp.Or(s.epp.FailureMode, configv1alpha1.FailOpen)
	if len(s.epp.Resources.Requests) == 0 && len(s.epp.Resources.Limits) == 0 {
		s.epp.Resources = defaultResources()
	}
	// Claims would name devices that no chart's pod declares.
	s.epp.Resources.Claims = nil
	return s
}

// defaultResources let an EPP be scheduled on a small node; charts from v1.4.0 on ask for 4 CPU and 8Gi.
func defaultResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("100m"),
			corev1.ResourceMemory: resource.MustParse("256Mi"),
		},
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
	}
}

// mirrored is where a registry that stands in for all others keeps what ref names: the same path without the host.
func mirrored(registry, ref string) string {
	host, path, found := strings.Cut(ref, "/")
	if registry == "" || !found || !strings.ContainsAny(host, ".:") {
		return ref
	}
	return registry + "/" + path
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
