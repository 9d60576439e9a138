// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"encoding/json"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/pool"
)

// TestRenderRouter: requests go to a router that listens, and responses pass it by.
func TestRenderRouter(t *testing.T) {
	t.Parallel()
	config := configv1alpha1.Configuration{}
	config.Gateway.BodyBasedRouting.Enabled = true
	configv1alpha1.Default(&config)
	objects, err := pool.RenderRouter(plan.NewRouter("gateways", "shared", metav1.OwnerReference{Name: "shared"}, config))
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 || objects[0].GetName() != "shared-bbr" || objects[1].GetNamespace() != "gateways" {
		t.Fatalf("rendered %v", objects)
	}
	release, ok := objects[1].(*helmv2.HelmRelease)
	if !ok {
		t.Fatalf("the second object is a %T", objects[1])
	}
	if values := string(release.Spec.Values.Raw); !strings.Contains(values, `"replicas":2`) || !strings.Contains(values, `"inferenceGateway":{"name":"shared"}`) {
		t.Errorf("values: %s", values)
	}
	text, err := json.Marshal(release.Spec.PostRenderers)
	if err != nil {
		t.Fatal(err)
	}
	patches := strings.NewReplacer(`\n`, " ", `\"`, "").Replace(string(text))
	for what, part := range map[string]string{
		"a probe of the port that gateways ask": "tcpSocket: port: 9004",
		"a pause before it ends":                "preStop: sleep: seconds: 10",
		"a read-only root":                      "readOnlyRootFilesystem: true",
	} {
		if !strings.Contains(strings.Join(strings.Fields(patches), " "), part) {
			t.Errorf("no %s (%s) in %s", what, part, patches)
		}
	}
	if !strings.Contains(patches, "response_body_mode") || !strings.Contains(patches, "NONE") {
		t.Errorf("responses go through the router: %s", patches)
	}
}
