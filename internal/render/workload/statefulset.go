// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// LabelReplica is on the pods of a model over several nodes; its value is the name of their StatefulSet. It keeps the
// selectors of a Workspace's StatefulSets apart.
const LabelReplica = "kaito.sh/replica"

// statefulSets are one per replica; with no replica wanted the first stays, so that its status can be watched.
func statefulSets(p plan.Plan) []*appsv1.StatefulSet {
	if p.Topology.Replicas == 0 {
		return []*appsv1.StatefulSet{statefulSet(p, p.Names.Workloads[0], 0)}
	}
	sets := make([]*appsv1.StatefulSet, 0, p.Topology.Replicas)
	for _, name := range p.Names.Workloads[:p.Topology.Replicas] {
		sets = append(sets, statefulSet(p, name, p.Topology.NodesPerReplica))
	}
	return sets
}

// statefulSet holds one copy of the model in the given number of pods.
func statefulSet(p plan.Plan, name string, pods int32) *appsv1.StatefulSet {
	pod := serverPod(p, multiNode(p, name))
	pod.Labels[LabelReplica] = name
	pod.Spec.Affinity = withPodAntiAffinity(pod.Spec.Affinity, apart(name))
	return &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "StatefulSet"},
		ObjectMeta: objectMeta(p, name),
		Spec: appsv1.StatefulSetSpec{
			Replicas: new(pods),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{
				v1beta1.LabelWorkspace: p.Name,
				LabelReplica:           name,
			}},
			Template:    pod,
			ServiceName: p.Names.Headless,
			// No pod becomes Ready without the others, so none may wait for another.
			PodManagementPolicy: appsv1.ParallelPodManagement,
			UpdateStrategy: appsv1.StatefulSetUpdateStrategy{
				Type: appsv1.RollingUpdateStatefulSetStrategyType,
				// A model over several nodes restarts as a whole: ranks of two revisions cannot work together, and
				// one by one the old ranks would hold their GPUs for nothing. API servers without the feature
				// MaxUnavailableStatefulSet (off by default before Kubernetes 1.37) drop this field, and the pods
				// follow each other, which only takes longer, since a worker is Ready while its process lives.
				RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{
					MaxUnavailable: new(intstr.FromString("100%")),
				},
			},
			RevisionHistoryLimit: new(int32(historyLimit)),
		},
	}
}

// apart keeps the pods of one replica on different nodes. It is a wish only: normally each asks for all GPUs of a node
// anyway, and where two do fit on one node the model still serves.
func apart(replica string) corev1.WeightedPodAffinityTerm {
	return corev1.WeightedPodAffinityTerm{
		Weight: 100,
		PodAffinityTerm: corev1.PodAffinityTerm{
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{LabelReplica: replica}},
			TopologyKey:   corev1.LabelHostname,
		},
	}
}

// launch starts vLLM with the arguments behind it; all ranks but the first run without an HTTP server. It is constant:
// whatever a user wrote is in the arguments, which the shell passes on unread. exec makes vLLM the process that gets
// SIGTERM.
const launch = `if [ "$POD_INDEX" != 0 ]; then
  set -- "$@" --headless
fi
exec vllm serve "$@"
`

// ask is how the kubelet asks such a pod for its health. A worker serves no HTTP and counts as healthy while its process
// lives; if it goes, the leader notices. The leader is asked with whichever client the image has. $1 is the URL.
const ask = `[ "$POD_INDEX" = 0 ] || exit 0
if command -v curl >/dev/null 2>&1; then
  exec curl --fail --silent --output /dev/null --max-time 4 "$1"
fi
if command -v wget >/dev/null 2>&1; then
  exec wget -q -T 4 -O /dev/null "$1"
fi
exec python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=4)' "$1"
`

// multiNode is how each pod of the StatefulSet runs vLLM's own multi-node mode; its rank is the pod's index.
func multiNode(p plan.Plan, set string) process {
	leader := fmt.Sprintf("%s-0.%s.%s.svc", set, p.Names.Headless, p.Namespace)
	return process{
		command: []string{"/bin/sh", "-c", launch, "vllm"},
		args: append(literal(p.Server.Args),
			"--node-rank=$(POD_INDEX)",
			"--master-addr="+leader,
		),
		env: []corev1.EnvVar{
			fieldEnv("POD_INDEX", fmt.Sprintf("metadata.labels['%s']", v1beta1.LabelPodIndex)),
			// With several interfaces vLLM may announce one that the other pods cannot reach.
			fieldEnv("VLLM_HOST_IP", "status.podIP"),
		},
		health: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{
			"/bin/sh", "-c", ask, "health", fmt.Sprintf("http://127.0.0.1:%d/health", p.Port),
		}}},
	}
}

func fieldEnv(name, path string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path},
	}}
}
