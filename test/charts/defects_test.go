// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"strings"
	"testing"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/pool"
)

// TestChartsAlone shows what the patches are for: with the values alone each chart has the defect. Where one has not, the
// patch can go.
func TestChartsAlone(t *testing.T) {
	for _, version := range pool.Supported(configv1alpha1.DialectInferencePool) {
		t.Run(version, func(t *testing.T) {
			p := planFor(version, "phi-4")
			p.Pool.EPP.Replicas = 2
			r := release{version: version, plan: p, shape: plan.ShapeDeployment}
			rendered, err := pool.Render(p, r.shape)
			if err != nil {
				t.Fatal(err)
			}
			manifest, err := render(t, packagedChart(t, version), rendered.Release, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := strings.Contains(manifest, "kind: ClusterRole\n"), !r.since("v1.2.0"); got != want {
				t.Errorf("renders a ClusterRole: %t, want %t", got, want)
			}
			manifest = withoutClusterRoles(manifest)
			r.objects = decode(t, manifest)
			r.compareDefects(t)
		})
	}
}

func (r release) compareDefects(t *testing.T) {
	t.Helper()
	deployment := r.deployments[r.plan.Names.EPP]
	container := deployment.Spec.Template.Spec.Containers[0]
	if len(refusals(t, deployment.Spec.Template)) == 0 {
		t.Error("restricted Pod Security allows the chart's own pod")
	}
	if got := len(container.Resources.Requests) > 0; got != r.since("v1.4.0") {
		t.Errorf("renders resources: %t", got)
	}
	if got := r.pools[r.plan.Names.Pool].Spec.EndpointPickerRef.FailureMode != ""; got != r.since("v1.4.0") {
		t.Errorf("renders failureMode: %t", got)
	}
	if got := deployment.Spec.Template.Spec.Affinity != nil; got != r.since("v1.1.0") {
		t.Errorf("renders affinity: %t", got)
	}
	if got := deployment.Spec.Strategy.Type != ""; got != r.since("v1.0.1") {
		t.Errorf("renders a strategy: %t", got)
	}
	line, err := flagsOf(t, r.version).parse(container.Args)
	if err != nil {
		t.Fatal(err)
	}
	elects := line.set["ha-enable-leader-election"] == "true"
	if elects != r.since("v1.0.1") {
		t.Errorf("enables leader election: %t", elects)
	}
	if got := len(line.rest) > 0; got != (r.version == "v1.1.0") {
		t.Errorf("the EPP ignores %q", line.rest)
	}
}

func withoutClusterRoles(manifest string) string {
	var kept []string
	for document := range strings.SplitSeq(manifest, "\n---\n") {
		if !strings.Contains(document, "\nkind: ClusterRole") && !strings.HasPrefix(document, "kind: ClusterRole") {
			kept = append(kept, document)
		}
	}
	return strings.Join(kept, "\n---\n")
}

// TestLongNames proves the border at which pool.Render refuses charts v1.0.1 to v1.1.0, from both sides.
func TestLongNames(t *testing.T) {
	for _, version := range []string{"v1.0.1", "v1.0.2", "v1.1.0"} {
		p := planFor(version, "phi-4")
		rendered, err := pool.Render(p, plan.ShapeDeployment)
		if err != nil {
			t.Fatal(err)
		}
		hr := rendered.Release
		hr.Spec.ReleaseName = strings.Repeat("r", 40)
		archive := packagedChart(t, version)
		for length, broken := range map[int]bool{37: false, 38: true} {
			hr.Namespace = strings.Repeat("n", length)
			if _, err := install(t, archive, hr); (err != nil) != broken {
				t.Errorf("%s in a namespace of %d characters: %v", version, length, err)
			}
		}
	}
}
