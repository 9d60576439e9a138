// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/test/actors"
)

const (
	instanceType = "Standard_NC24ads_A100_v4"
	models       = "models"
	full         = "full"
	// patience is for everything that the operator and the actors do between two looks, on a machine that is busy.
	patience = 5 * time.Minute
)

// scene is a cluster with the operator's program, Workspaces in several states, and what its metrics say of them.
type scene struct {
	*server
	metrics string
	// broken: Flux repairs nothing any more.
	broken atomic.Bool
}

func (s *scene) fate(workspace string) actors.Fate {
	if s.broken.Load() && workspace == "three" {
		return actors.Hangs
	}
	return map[string]actors.Fate{"hangs": actors.Hangs, "fails": actors.Fails}[workspace]
}

// observed is what an operator's metrics were, one after the other.
type observed struct {
	// idle is without Workspaces; in healthy all are Ready, in troubled and later not.
	idle, healthy, troubled, later string
}

// observe brings Workspaces into several states and returns what the operator's metrics were.
func observe(t *testing.T) observed {
	t.Helper()
	server := start(t)
	server.mustInstall(t, gateOn())
	scheme, err := actors.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	if server.Client, err = client.New(server.config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	server.namespace(t, models)
	server.namespace(t, full)
	s := &scene{server: server, metrics: freeAddress(t)}
	s.nodes(t)
	s.runOperator(t)
	o := observed{idle: s.told(t, "kaito_workspace_unobserved 0")}
	world, err := actors.Start(t.Context(), server.config, actors.Options{Fate: s.fate})
	if err != nil {
		t.Fatal(err)
	}
	if err := world.FollowFlux(t.Context()); err != nil {
		t.Fatal(err)
	}

	for _, name := range []string{"one", "two", "three"} {
		s.workspace(t, models, name, nil)
	}
	o.healthy = s.told(t, `kaito_workspace_conditions{condition="Ready",reason="Ready",status="True"} 3`, "kaito_workspace_unobserved 0")
	s.trouble(t)
	o.troubled = s.told(t,
		`kaito_workspace_conditions{condition="Ready",reason="UnknownPreset",status="False"} 1`,
		`kaito_workspace_conditions{condition="InferenceReady",reason="WorkloadRejected",status="False"} 1`,
		`kaito_workspace_conditions{condition="InferenceReady",reason="LoadingModel",status="False"} 1`,
		`kaito_workspace_conditions{condition="InferencePoolReady",reason="InstallFailed",status="False"} 1`,
		`kaito_workspace_unready_since_timestamp_seconds{reason="EndpointPickerNotAvailable",workspace="three",`,
		`kaito_workspace_certificate_expiry_timestamp_seconds{certificate="endpoint-picker"}`,
		`kaito_workspace_drift_repairs_total{kind="Service"} 1`,
		`kaito_workspace_time_to_ready_seconds_count{since="change"} 1`,
		"kaito_workspace_pool_repair_requests_total 1",
	)
	s.spoil(t)
	o.later = s.told(t, `kaito_workspace_drift_repairs_total{kind="Service"} 2`)
	return o
}

// trouble brings more Workspaces, of which none gets Ready, and troubles those that are.
func (s *scene) trouble(t *testing.T) {
	t.Helper()
	s.workspace(t, models, "unknown", func(ws *v1beta1.Workspace) { ws.Inference.Preset.Name = "no-such-model" })
	s.workspace(t, models, "hangs", nil)
	s.workspace(t, models, "fails", nil)
	s.workspace(t, models, "routed", func(ws *v1beta1.Workspace) {
		ws.Inference.Gateway = &v1beta1.GatewaySpec{ParentRefs: []v1beta1.GatewayReference{{Name: "absent"}}}
	})
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "none", Namespace: full},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/deployments.apps": resource.MustParse("0")}},
	}
	s.must(t, s.Create(t.Context(), quota))
	// No controller runs that would do this.
	quota.Status.Hard, quota.Status.Used = quota.Spec.Hard, quota.Spec.Hard
	s.must(t, s.Status().Update(t.Context(), quota))
	s.workspace(t, full, "refused", nil)

	two := &v1beta1.Workspace{}
	s.must(t, s.Get(t.Context(), client.ObjectKey{Namespace: models, Name: "two"}, two))
	before := two.DeepCopy()
	two.Inference.Replicas = new(int32(2))
	s.must(t, s.Patch(t.Context(), two, client.MergeFrom(before)))
	s.spoil(t)
	s.broken.Store(true)
	s.must(t, s.Delete(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: models, Name: "three-inferencepool-epp"}},
		client.PropagationPolicy(metav1.DeletePropagationBackground)))
}

// spoil edits what the operator wrote.
func (s *scene) spoil(t *testing.T) {
	t.Helper()
	service := &corev1.Service{}
	s.must(t, s.Get(t.Context(), client.ObjectKey{Namespace: models, Name: "one"}, service))
	before := service.DeepCopy()
	service.Spec.Ports[0].TargetPort = intstr.FromInt32(1)
	s.must(t, s.Patch(t.Context(), service, client.MergeFrom(before)))
}

func (s *scene) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *scene) workspace(t *testing.T, in, name string, change func(*v1beta1.Workspace)) {
	t.Helper()
	ws := &v1beta1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Namespace: in, Name: name},
		Resource: v1beta1.ResourceSpec{
			InstanceType:  instanceType,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelInstanceTypeStable: instanceType}},
		},
		Inference: &v1beta1.InferenceSpec{Preset: &v1beta1.PresetSpec{Name: "phi-4-mini-instruct"}},
	}
	if change != nil {
		change(ws)
	}
	s.must(t, s.Create(t.Context(), ws))
}

// nodes are enough for every Workspace.
func (s *scene) nodes(t *testing.T) {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "gpu", Labels: map[string]string{corev1.LabelInstanceTypeStable: instanceType}}}
	for i := range 4 {
		node.Name, node.ResourceVersion = fmt.Sprintf("gpu-%d", i), ""
		s.must(t, s.Create(t.Context(), node))
		amount := corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("8")}
		node.Status.Capacity, node.Status.Allocatable = amount, amount
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		s.must(t, s.Status().Update(t.Context(), node))
	}
}

// runOperator runs the operator's program, built from this tree.
func (s *scene) runOperator(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "workspace-controller")
	build := exec.Command("go", "build", "-o", path, "./cmd/workspace-controller")
	build.Dir = root()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the operator: %v: %s", err, out)
	}
	config := filepath.Join(dir, "configuration.yaml")
	const text = "apiVersion: config.kaito.sh/v1alpha1\nkind: Configuration\nfeatureGates: {gatewayAPIInferenceExtension: true}\n"
	s.must(t, os.WriteFile(config, []byte(text), 0o600))
	var log lockedBuffer
	operator := exec.Command(path, "--config="+config, "--namespace="+namespace, "--leader-elect", "--metrics-secure=false",
		"--metrics-bind-address="+s.metrics, "--health-probe-bind-address=0", "--models-bind-address=")
	operator.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig)
	operator.Stdout, operator.Stderr = &log, &log
	s.must(t, operator.Start())
	t.Cleanup(func() {
		_ = operator.Process.Signal(os.Interrupt)
		_ = operator.Wait()
		if t.Failed() {
			t.Logf("the operator's last words:\n%s", tail(log.String(), 8))
		}
	})
}

// told waits until the metrics have all of the lines, or lines that begin so, and returns all of them.
func (s *scene) told(t *testing.T, lines ...string) string {
	t.Helper()
	var text string
	within(t, patience, func(ctx context.Context) error {
		var err error
		if text, err = s.scrape(ctx); err != nil {
			return err
		}
		var missing []error
		for _, line := range lines {
			if !strings.Contains(text, "\n"+line) {
				missing = append(missing, errors.New("not told: "+line))
			}
		}
		return errors.Join(missing...)
	})
	return text
}

func (s *scene) scrape(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.metrics+"/metrics", nil)
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
