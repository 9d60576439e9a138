// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
)

const (
	kvMetricFlag = "kv-cache-usage-percentage-metric"
	kvMetric     = "vllm:kv_cache_usage_perc"
)

// inferencePool is the chart of the Gateway API Inference Extension, up to its last release.
type inferencePool struct{}

// inferencePoolRelease is what one version of the chart, and the EPP of the same version, can and cannot do. Read from
// kubernetes-sigs/gateway-api-inference-extension, config/charts and cmd/epp, at each tag.
type inferencePoolRelease struct {
	version string
	// What the chart has values for.
	registryKey, flagMap, affinity, resources, failureMode, monitoring bool
	// oldKVMetric: the EPP reads a metric that vLLM renamed, unless a flag names the new one. Later EPPs refuse the flag.
	oldKVMetric bool
	// ownArgs: the chart's command line cannot be put right by values. v1.0.0 never passes the flag for leader election.
	// v1.1.0 renders --tracing and its value apart, and Go's flag package drops all that follows such a value.
	ownArgs bool
	// openMetrics: the EPP can serve its metrics without checking tokens.
	openMetrics bool
	// electionKey: leader election has a key of its own instead of following from replicas.
	electionKey bool
	// noStrategy: the chart leaves the rollout at RollingUpdate, which waits for a new pod to be Ready that is not going to
	// lead before the old one is gone.
	noStrategy bool
	// clusterRole: rendered always. shortClusterRole: under a name which loses its closing quote when it is long.
	clusterRole, shortClusterRole bool
}

// releases are in the order of their versions.
func (inferencePool) releases() []inferencePoolRelease {
	return []inferencePoolRelease{
		{version: "v1.0.0", oldKVMetric: true, ownArgs: true, electionKey: true, noStrategy: true, clusterRole: true},
		{version: "v1.0.1", oldKVMetric: true, clusterRole: true, shortClusterRole: true},
		{version: "v1.0.2", oldKVMetric: true, clusterRole: true, shortClusterRole: true},
		{
			version: "v1.1.0", oldKVMetric: true, ownArgs: true, clusterRole: true, shortClusterRole: true,
			affinity: true, monitoring: true, openMetrics: true,
		},
		{version: "v1.2.0", oldKVMetric: true, flagMap: true, affinity: true, monitoring: true, openMetrics: true},
		{version: "v1.2.1", oldKVMetric: true, flagMap: true, affinity: true, monitoring: true, openMetrics: true},
		{version: "v1.3.0", flagMap: true, affinity: true, monitoring: true, openMetrics: true},
		{version: "v1.3.1", flagMap: true, affinity: true, monitoring: true, openMetrics: true},
		{version: "v1.4.0", flagMap: true, affinity: true, monitoring: true, openMetrics: true, resources: true, failureMode: true},
		{
			version: "v1.5.0", flagMap: true, affinity: true, monitoring: true, openMetrics: true, resources: true, failureMode: true,
			registryKey: true,
		},
	}
}

func (d inferencePool) versions() []string {
	releases := d.releases()
	versions := make([]string, 0, len(releases))
	for _, r := range releases {
		versions = append(versions, r.version)
	}
	return versions
}

func (inferencePool) podLabel() string { return "inferencepool" }

func (d inferencePool) contents(s settings) (contents, error) {
	r, ok := d.release(s.chart.Version)
	if !ok {
		return contents{}, fmt.Errorf("chart version %s has no data", s.chart.Version)
	}
	if err := r.nameable(s); err != nil {
		return contents{}, err
	}
	if s.tlsSecret != "" && !configv1alpha1.ServesCertificates(s.chart.Dialect, s.chart.Version) {
		return contents{}, fmt.Errorf("chart %s cannot mount a certificate", s.chart.Version)
	}
	// Metric flags belong to the EPP, whose version may be configured apart from the chart's.
	epp, ok := d.release(s.epp.Version)
	if !ok {
		epp = r
	}
	values, err := encode(d.values(s, r, epp))
	if err != nil {
		return contents{}, err
	}
	postRenderers, err := post(d.patches(s, r, epp)...)
	return contents{values: values, postRenderers: postRenderers}, err
}

func (d inferencePool) release(version string) (inferencePoolRelease, bool) {
	for _, r := range d.releases() {
		if r.version == version {
			return r, true
		}
	}
	return inferencePoolRelease{}, false
}

// nameable refuses names of which the chart makes invalid YAML: it quotes its cluster role's name and then cuts it at 84
// characters, quotes included.
func (r inferencePoolRelease) nameable(s settings) error {
	const cut, rest = 40, 84 - len(`"`+"-"+"-epp"+`"`)
	if !r.shortClusterRole || min(len(s.names.Pool), cut)+min(len(s.namespace), cut) <= rest {
		return nil
	}
	return &outcome.Terminal{Reason: v1beta1.ReasonInstallFailed, Err: errors.New("the inferencepool chart " + r.version +
		" cannot be rendered under names this long: use chart v1.2.0 or later, or a shorter name for the Workspace or its namespace")}
}

type inferencePoolValues struct {
	InferenceExtension inferenceExtension  `json:"inferenceExtension"`
	InferencePool      inferencePoolTarget `json:"inferencePool"`
}

type inferencePoolTarget struct {
	TargetPorts  []targetPort `json:"targetPorts"`
	ModelServers modelServers `json:"modelServers"`
}

type inferenceExtension struct {
	Replicas             int32                        `json:"replicas"`
	EnableLeaderElection bool                         `json:"enableLeaderElection,omitempty"`
	Image                image                        `json:"image"`
	FailureMode          configv1alpha1.FailureMode   `json:"failureMode,omitempty"`
	Resources            *corev1.ResourceRequirements `json:"resources,omitempty"`
	Affinity             *corev1.Affinity             `json:"affinity,omitempty"`
	// Flags is a flagMap or a flagList.
	Flags        any                  `json:"flags,omitempty"`
	Monitoring   *monitoring          `json:"monitoring,omitempty"`
	Volumes      []corev1.Volume      `json:"volumes,omitempty"`
	VolumeMounts []corev1.VolumeMount `json:"volumeMounts,omitempty"`
}

type flagMap map[string]string

type flagList []flagValue

type flagValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (d inferencePool) values(s settings, r, epp inferencePoolRelease) inferencePoolValues {
	extension := inferenceExtension{
		Replicas:             s.epp.Replicas,
		EnableLeaderElection: r.electionKey && s.replicated(),
		Image:                r.image(s),
	}
	if r.failureMode {
		extension.FailureMode = s.epp.FailureMode
	}
	if r.resources {
		extension.Resources = &s.epp.Resources
	}
	if r.affinity && s.replicated() {
		extension.Affinity = spread(s, d.podLabel())
	}
	var flags []flagValue
	if epp.oldKVMetric && !r.ownArgs {
		flags = append(flags, flagValue{Name: kvMetricFlag, Value: kvMetric})
	}
	if s.tlsSecret != "" {
		flags = append(flags, certificateFlags()...)
		extension.Volumes, extension.VolumeMounts = certificateVolume(s)
	}
	if len(flags) > 0 {
		extension.Flags = r.flags(flags...)
	}
	if r.monitoring {
		extension.Monitoring = &monitoring{}
	}
	return inferencePoolValues{
		InferenceExtension: extension,
		InferencePool: inferencePoolTarget{
			TargetPorts:  []targetPort{{Number: s.port}},
			ModelServers: modelServers{MatchLabels: s.selector},
		},
	}
}

func (r inferencePoolRelease) image(s settings) image {
	i := image{Tag: pinned(s.epp.Version, s.epp.Digest), PullPolicy: s.epp.PullPolicy}
	if r.registryKey {
		i.Registry, i.Repository = registryAndRepository(s.epp.Image)
		return i
	}
	i.Hub, i.Name = hubAndName(s.epp.Image)
	return i
}

// flags adds to the chart's default, the verbosity. Helm merges maps but replaces lists.
func (r inferencePoolRelease) flags(all ...flagValue) any {
	if !r.flagMap {
		return append(flagList{{Name: "v", Value: "1"}}, all...)
	}
	m := flagMap{}
	for _, f := range all {
		m[f.Name] = f.Value
	}
	return m
}

func (d inferencePool) patches(s settings, r, epp inferencePoolRelease) []patch {
	deployment := hardened(s)
	if !r.resources {
		deployment.container().Resources = &s.epp.Resources
	}
	if !r.affinity && s.replicated() {
		deployment.Spec.Template.Spec.Affinity = spread(s, d.podLabel())
	}
	if r.ownArgs {
		deployment.container().Args = eppArgs(s, epp)
	}
	if r.noStrategy && s.replicated() {
		deployment.Spec.Strategy = &strategyPart{Type: appsv1.RecreateDeploymentStrategyType}
	}
	patches := []patch{patchDeployment(deployment)}
	if r.resources && !coversChartDefaults(s.epp.Resources) {
		patches = append(patches, patchDeployment(replacedResources(s)))
	}
	if !r.failureMode {
		patches = append(patches, patchInferencePool(failureMode(s.epp.FailureMode)))
	}
	if r.clusterRole {
		patches = append(patches, dropClusterRole("ClusterRole"), dropClusterRole("ClusterRoleBinding"))
	}
	return patches
}

// eppArgs is the whole command line, each flag and its value in one argument.
func eppArgs(s settings, epp inferencePoolRelease) []string {
	args := []string{
		"--pool-name=" + s.names.Pool,
		"--pool-namespace=" + s.namespace,
		"--pool-group=inference.networking.k8s.io",
		"--zap-encoder=json",
		"--config-file=/config/default-plugins.yaml",
		"--v=1",
	}
	if epp.oldKVMetric {
		args = append(args, "--"+kvMetricFlag+"="+kvMetric)
	}
	if s.replicated() {
		args = append(args, "--ha-enable-leader-election")
	}
	if epp.openMetrics {
		args = append(args, "--tracing=false", "--metrics-endpoint-auth=false")
	}
	return args
}
