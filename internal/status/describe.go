// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// maxWorkerNodes bounds status.workerNodes, so that a Workspace which selects a whole fleet stays a small object.
const maxWorkerNodes = 100

func workerNodes(nodes []plan.Node) []string {
	var names []string
	for _, n := range nodes {
		if n.Ready && len(names) < maxWorkerNodes {
			names = append(names, n.Name)
		}
	}
	return names
}

// describe fills in everything but conditions.
func describe(in Input, out *v1beta1.WorkspaceStatus) {
	p := in.Plan
	if p == nil {
		keepDescription(in, out)
		return
	}
	out.TargetNodeCount = p.Topology.Nodes()
	out.Models = p.Models
	replicas := countReplicas(in)
	out.Replicas, out.ReadyReplicas = replicas.population, replicas.serving
	out.ReadyOfReplicas = fmt.Sprintf("%d/%d", replicas.serving, p.Topology.Replicas)
	out.Selector = selector(in)
	if shape := shapeOf(in); shape != "" {
		out.Workload = &v1beta1.WorkloadStatus{Kind: string(shape), Name: p.Names.Workloads[0]}
	}
	if p.Port != 0 {
		out.Endpoint = fmt.Sprintf("http://%s.%s.svc", p.Names.Service, p.Namespace)
	}
	// Without a route of ours the Gateway leads elsewhere.
	if p.Route != nil && in.Routing.Route != nil {
		if entrance, ok := Entrance(*p, in.Routing); ok {
			out.Endpoint = entrance.URL()
		}
	}
	if p.Pool != nil {
		out.InferencePool = poolStatus(in)
	}
}

// keepDescription leaves what was said before: a Workspace that cannot be planned any more still serves as it did.
func keepDescription(in Input, out *v1beta1.WorkspaceStatus) {
	previous, replicas := in.Previous, countReplicas(in)
	out.TargetNodeCount = previous.TargetNodeCount
	out.Models = previous.Models
	out.Replicas, out.ReadyReplicas = replicas.population, replicas.serving
	if _, wanted, ok := strings.Cut(previous.ReadyOfReplicas, "/"); ok {
		out.ReadyOfReplicas = fmt.Sprintf("%d/%s", replicas.serving, wanted)
	}
	out.Selector = previous.Selector
	out.Workload = previous.Workload
	out.InferencePool = previous.InferencePool
	out.Endpoint = previous.Endpoint
}

func shapeOf(in Input) plan.Shape {
	switch {
	case in.Shape != "":
		return in.Shape
	case in.Previous.Workload != nil:
		return plan.Shape(in.Previous.Workload.Kind)
	default:
		return ""
	}
}

func selector(in Input) string {
	set := map[string]string{v1beta1.LabelWorkspace: in.Plan.Name}
	if in.Plan.Topology.MultiNode() {
		set[v1beta1.LabelPodIndex] = "0"
	}
	return metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: set})
}
