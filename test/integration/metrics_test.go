// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// TestMetrics has an operator of its own, whose counters nobody else moves.
func TestMetrics(t *testing.T) {
	t.Parallel()
	c := startCluster(t, allCRDs()...)
	operator := c.startOperator(t, gateOn())
	s := newScene(t, c)
	s.node("a", 1)
	s.workspace("phi")
	s.workspace("lost", func(ws *v1beta1.Workspace) { ws.Inference.Preset.Name = "no-such-model" })
	s.ready("phi")
	s.expect("lost", "Stalled=True UnknownPreset")
	s.metrics(operator,
		`kaito_workspace_conditions{condition="Ready",reason="Ready",status="True"} 1`,
		`kaito_workspace_conditions{condition="Ready",reason="UnknownPreset",status="False"} 1`,
		`kaito_workspace_pool_charts{chart="oci://registry.k8s.io/gateway-api-inference-extension/charts/inferencepool",version="1.5.0"} 1`,
		`kaito_workspace_time_to_ready_seconds_count{since="creation"} 1`,
		`kaito_workspace_time_to_ready_seconds_count{since="change"} 0`,
		`kaito_workspace_unobserved 0`,
		`kaito_workspace_drift_repairs_total{kind="Service"} 0`,
	)
	s.metrics(operator, fmt.Sprintf(`kaito_workspace_unready_since_timestamp_seconds{reason="UnknownPreset",workspace="lost",workspace_namespace=%q}`, s.namespace))

	s.step("a refusal")
	s.quota("none", "count/deployments.apps", "1")
	s.workspace("refused")
	s.expect("refused", "InferenceReady=False WorkloadRejected")
	s.metrics(operator, `kaito_workspace_dry_run_refusals_total{reason="Forbidden"}`)
	s.Expect(s.Delete(t.Context(), &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "refused"}})).To(gomega.Succeed())

	// An operator that has just started has written nothing; what it finds edited it knows only from the edit.
	s.step("a restart")
	s.announced("phi")
	s.Expect(operator.stop()).To(gomega.Succeed())
	operator = c.startOperator(t, gateOn())
	s.expect("phi", "Ready=True Ready")
	s.metrics(operator, `kaito_workspace_conditions{condition="Ready",reason="Ready",status="True"} 1`,
		`kaito_workspace_time_to_ready_seconds_count{since="creation"} 0`)
	s.announced("phi")
	s.record.lenient = true
	s.step("drift")
	service := &corev1.Service{}
	s.Expect(s.get(service, "phi")).To(gomega.BeTrue())
	s.edit(service, func() { service.Spec.Ports[0].TargetPort = intstr.FromInt32(1) })
	s.metrics(operator, `kaito_workspace_drift_repairs_total{kind="Service"} 1`)
	s.Expect(s.get(service, "phi")).To(gomega.BeTrue())
	s.Expect(s.Delete(t.Context(), service)).To(gomega.Succeed())
	s.metrics(operator, `kaito_workspace_drift_repairs_total{kind="Service"} 2`,
		`kaito_workspace_drift_repairs_total{kind="Deployment"} 0`)
	s.Expect(s.Delete(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: eppName("phi")}},
		client.PropagationPolicy(metav1.DeletePropagationBackground))).To(gomega.Succeed())
	s.metrics(operator, `kaito_workspace_pool_repair_requests_total 1`,
		`kaito_workspace_conditions{condition="InferencePoolReady",reason="EndpointPickerNotAvailable",status="False"} 1`)

	s.step("nothing is left of a Workspace that is gone")
	s.Expect(s.Delete(t.Context(), &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "lost"}})).To(gomega.Succeed())
	s.until(func() error {
		if text, err := scrape(t.Context(), operator.metrics); err != nil || strings.Contains(text, "UnknownPreset") {
			return fmt.Errorf("UnknownPreset is still counted, or %w", err)
		}
		return nil
	})
}

// metrics waits until an operator tells all of the lines, or lines that begin so.
func (s *scene) metrics(operator *child, lines ...string) {
	s.t.Helper()
	s.until(func() error {
		text, err := scrape(s.t.Context(), operator.metrics)
		if err != nil {
			return err
		}
		for _, line := range lines {
			if !strings.Contains(text, "\n"+line) {
				name, _, _ := strings.Cut(line, "{")
				return fmt.Errorf("want %s\nhave%s", line, seriesOf(text, name))
			}
		}
		return nil
	})
}

func seriesOf(text, name string) string {
	var lines strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, name) {
			lines.WriteString("\n" + line)
		}
	}
	return lines.String()
}

func scrape(ctx context.Context, address string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}
