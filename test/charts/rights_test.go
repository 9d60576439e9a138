// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	releasev1 "helm.sh/helm/v4/pkg/release/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/pool"
)

// rights are verbs on resources, each as "group/resource verb".
type rights map[string]bool

func (r rights) add(group, resource string, verbs ...string) {
	for _, verb := range verbs {
		r[group+"/"+resource+" "+verb] = true
	}
}

func (r rights) addRules(rules []rbacv1.PolicyRule) {
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				r.add(group, resource, rule.Verbs...)
			}
		}
	}
}

func (r rights) sorted() []string {
	var all []string
	for right := range r {
		all = append(all, right)
	}
	slices.Sort(all)
	return all
}

// TestRights derives what helm-controller must be allowed to do from all that the pool charts render, and compares it with
// what charts/workspace allows: no more, no less.
func TestRights(t *testing.T) {
	for name, c := range map[string]struct {
		config  string
		keep    func(release) bool
		routers bool
	}{
		"one picker":         {config: "{}", keep: func(r release) bool { return !r.replicated() }},
		"several pickers":    {config: "endpointPicker: {replicas: 2}", keep: func(release) bool { return true }},
		"body-based routing": {config: "gateway: {bodyBasedRouting: {enabled: true}}", keep: func(r release) bool { return !r.replicated() }, routers: true},
	} {
		t.Run(name, func(t *testing.T) {
			want := rights{}
			// Helm's storage, and what waiting for a Deployment looks at.
			want.add("", "secrets", "get", "list", "create", "update", "delete")
			want.add("apps", "replicasets", "list")
			for _, version := range pool.Supported(configv1alpha1.DialectInferencePool) {
				needsOf(t, version, c.keep, want)
			}
			if c.routers {
				for _, r := range routersOf(configv1alpha1.Configuration{}) {
					renderRouter(t, r).needs(want)
				}
			}
			got := rights{}
			got.addRules(grantedRules(t, c.config))
			if diff := cmp.Diff(want.sorted(), got.sorted()); diff != "" {
				t.Errorf("rights that the charts need and those of charts/workspace (-want +got):\n%s", diff)
			}
		})
	}
}

// needsOf adds what one version of the chart needs in those of its variants that are kept.
func needsOf(t *testing.T, version string, keep func(release) bool, into rights) {
	t.Helper()
	archive := packagedChart(t, version)
	for _, change := range variants() {
		p := planFor(version, "phi-4")
		change(&p)
		r := release{version: version, plan: p, shape: plan.ShapeDeployment}
		if keep(r) {
			r.render(t, archive)
			r.needs(into)
		}
	}
}

// needs adds what it takes to install, repair and remove a release: its objects, and whatever its Roles grant, since nobody
// can grant what he does not have.
func (o objects) needs(into rights) {
	for _, object := range o.all {
		group := schema.FromAPIVersionAndKind(object.APIVersion, object.Kind).Group
		into.add(group, strings.ToLower(object.Kind)+"s", "get", "create", "patch", "delete")
	}
	for _, role := range o.roles {
		into.addRules(role.Rules)
	}
}

// grantedRules are those of the role that charts/workspace gives helm-controller for pool charts.
func grantedRules(t *testing.T, config string) []rbacv1.PolicyRule {
	t.Helper()
	var configured map[string]any
	if err := yaml.Unmarshal([]byte(config), &configured); err != nil {
		t.Fatal(err)
	}
	chart, err := loader.LoadDir(filepath.Join("..", "..", "charts", "workspace"))
	if err != nil {
		t.Fatal(err)
	}
	do := action.NewInstall(action.NewConfiguration())
	do.DryRunStrategy = action.DryRunClient
	do.ReleaseName, do.Namespace = "operator", "operator"
	if do.KubeVersion, err = common.ParseKubeVersion("v1.37.2"); err != nil {
		t.Fatal(err)
	}
	result, err := do.RunWithContext(t.Context(), chart, map[string]any{
		"featureGates": map[string]any{"gatewayAPIInferenceExtension": true},
		"config":       configured,
	})
	if err != nil {
		t.Fatal(err)
	}
	rel, ok := result.(*releasev1.Release)
	if !ok {
		t.Fatalf("Helm returned a %T", result)
	}
	for document := range strings.SplitSeq(rel.Manifest, "\n---\n") {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal([]byte(document), &role); err == nil && role.Kind == "ClusterRole" && strings.HasSuffix(role.Name, "-pool-charts") {
			return role.Rules
		}
	}
	t.Fatal("there is no role for the pool charts")
	return nil
}
