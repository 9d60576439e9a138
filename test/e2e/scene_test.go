// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

const (
	// patience is for what loads, pulls or rolls on a busy machine.
	patience = 3 * time.Minute
	interval = 200 * time.Millisecond

	a100 = "Standard_NC24ads_A100_v4"
	phi  = "phi-4-mini-instruct"
)

// scene is a namespace for one test, and a record of all conditions in it.
type scene struct {
	*cluster
	*gomega.WithT
	t         *testing.T
	ctx       context.Context //nolint:containedctx // as long as the test, like its T
	namespace string
	record    *recorder
}

// newScene makes a namespace with labels, if any. What is in it goes when the test ends.
func newScene(t *testing.T, c *cluster, labels map[string]string) *scene {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-", Labels: labels}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	s := &scene{cluster: c, WithT: gomega.NewWithT(t), t: t, ctx: t.Context(), namespace: namespace.Name}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(s.ctx)
		if t.Failed() {
			t.Log(s.describe(ctx))
		}
		// The next operator must not find these Workspaces; what belongs to them may take its time.
		_ = c.DeleteAllOf(ctx, &v1beta1.Workspace{}, client.InNamespace(s.namespace))
		_ = c.Delete(ctx, namespace)
	})
	s.record = record(t, c, s.namespace)
	return s
}

// workspace creates a Workspace that serves phi-4-mini-instruct unless it is changed.
func (s *scene) workspace(name string, change ...func(*v1beta1.Workspace)) *v1beta1.Workspace {
	s.t.Helper()
	ws := &v1beta1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace},
		Resource: v1beta1.ResourceSpec{
			InstanceType:  a100,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"apps": "llm"}},
		},
		Inference: &v1beta1.InferenceSpec{Preset: &v1beta1.PresetSpec{Name: phi}},
	}
	for _, f := range change {
		f(ws)
	}
	s.create(ws)
	return ws
}

func twoReplicas(ws *v1beta1.Workspace) { ws.Inference.Replicas = new(int32(2)) }

// settings is the ConfigMap that config writes.
const settings = "settings"

// config makes the ConfigMap settings with vLLM arguments, or changes it.
func (s *scene) config(arguments string) {
	s.t.Helper()
	data := map[string]string{"inference_config.yaml": "vllm:\n  " + arguments + "\n"}
	existing := &corev1.ConfigMap{}
	if s.get(existing, settings) {
		s.edit(existing, func() { existing.Data = data })
		return
	}
	s.create(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: settings}, Data: data})
}

func (s *scene) token() {
	s.t.Helper()
	s.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "hf-token"}, StringData: map[string]string{"HF_TOKEN": "none"}})
}

func (s *scene) create(obj client.Object) {
	s.t.Helper()
	obj.SetNamespace(s.namespace)
	s.Expect(s.Create(s.ctx, obj)).To(gomega.Succeed())
}

// get reads an object of the scene's namespace into obj and says whether it is there.
func (s *scene) get(obj client.Object, name string) bool {
	s.t.Helper()
	err := s.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, obj)
	s.Expect(client.IgnoreNotFound(err)).To(gomega.Succeed())
	return err == nil
}

// must is get for what has to be there.
func (s *scene) must(obj client.Object, name string) {
	s.t.Helper()
	s.Expect(s.get(obj, name)).To(gomega.BeTrue(), "%T %s is missing", obj, name)
}

// edit changes an object as a user would: only what change changed is sent.
func (s *scene) edit(obj client.Object, change func()) {
	s.t.Helper()
	before := obj.DeepCopyObject().(client.Object)
	change()
	s.Expect(s.Patch(s.ctx, obj, client.MergeFrom(before))).To(gomega.Succeed())
}

// gone complains as long as an object is there.
func (s *scene) gone(obj client.Object) error {
	s.t.Helper()
	err := s.Get(s.ctx, client.ObjectKeyFromObject(obj), obj)
	if err == nil {
		return fmt.Errorf("%T %s is still there", obj, obj.GetName())
	}
	return client.IgnoreNotFound(err)
}

// pods are those with the labels that are not going.
func (s *scene) pods(labels map[string]string) []corev1.Pod {
	s.t.Helper()
	list := &corev1.PodList{}
	s.Expect(s.List(s.ctx, list, client.InNamespace(s.namespace), client.MatchingLabels(labels))).To(gomega.Succeed())
	var pods []corev1.Pod
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			pods = append(pods, pod)
		}
	}
	return pods
}

// modelPods are those of a Workspace's model.
func (s *scene) modelPods(workspace string) []corev1.Pod {
	s.t.Helper()
	return s.pods(map[string]string{v1beta1.LabelWorkspace: workspace})
}

// pickerPods are those of a Workspace's Endpoint Picker.
func (s *scene) pickerPods(workspace string) []corev1.Pod {
	s.t.Helper()
	return s.pods(map[string]string{v1beta1.LabelEndpointPicker: workspace})
}

func names(pods []corev1.Pod) []string {
	all := []string{}
	for _, pod := range pods {
		all = append(all, pod.Name)
	}
	return all
}

// until waits until check finds nothing to complain about.
func (s *scene) until(check func() error) {
	s.t.Helper()
	s.within(patience, check)
}

func (s *scene) within(limit time.Duration, check func() error) {
	s.t.Helper()
	// As text: an error would be printed with all that it is made of.
	s.Eventually(func() string {
		if err := check(); err != nil {
			return err.Error()
		}
		return ""
	}).WithTimeout(limit).WithPolling(interval).Should(gomega.BeEmpty())
}

// ready waits until a Workspace is Ready with everything that was asked for.
func (s *scene) ready(name string) *v1beta1.Workspace {
	s.t.Helper()
	return s.expect(name, "Ready=True Ready", "InferenceReady=True ReplicasReady", "InferencePoolReady=True PoolReady", "!Reconciling", "!Stalled")
}

// expect waits until the conditions of a Workspace are as told, for its current generation. Each is told as TYPE=STATUS,
// with " REASON" and ": " and a part of the message if they matter, or as !TYPE if it must be absent.
func (s *scene) expect(name string, conditions ...string) *v1beta1.Workspace {
	s.t.Helper()
	return s.expectWithin(patience, name, conditions...)
}

func (s *scene) expectWithin(limit time.Duration, name string, conditions ...string) *v1beta1.Workspace {
	s.t.Helper()
	started := time.Now()
	ws := &v1beta1.Workspace{}
	s.within(limit, func() error {
		// Fields that are gone would keep their old values.
		*ws = v1beta1.Workspace{}
		if err := s.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, ws); err != nil {
			return err
		}
		for _, condition := range conditions {
			if err := compare(ws, condition); err != nil {
				return fmt.Errorf("%s: %w; have %s", name, err, told(ws))
			}
		}
		if s.record.behind(ws) {
			return fmt.Errorf("%s: the record is behind", name)
		}
		return nil
	})
	s.t.Logf("%s: %s after %.1f s", name, strings.Join(conditions, ", "), time.Since(started).Seconds())
	return ws
}

func compare(ws *v1beta1.Workspace, want string) error {
	if absent, ok := strings.CutPrefix(want, "!"); ok {
		if meta.FindStatusCondition(ws.Status.Conditions, absent) != nil {
			return fmt.Errorf("%s is there", absent)
		}
		return nil
	}
	value, message, _ := strings.Cut(want, ": ")
	condition, _, _ := strings.Cut(value, "=")
	status, _, hasReason := strings.Cut(value, " ")
	have := meta.FindStatusCondition(ws.Status.Conditions, condition)
	switch {
	case have == nil:
		return fmt.Errorf("%s is absent", condition)
	case fmt.Sprintf("%s=%s", have.Type, have.Status) != status, hasReason && status+" "+have.Reason != value,
		!strings.Contains(have.Message, message):
		return fmt.Errorf("want %s", want)
	case have.ObservedGeneration != ws.Generation:
		return fmt.Errorf("%s speaks of generation %d", condition, have.ObservedGeneration)
	default:
		return nil
	}
}

func told(ws *v1beta1.Workspace) string {
	lines := []string{}
	for _, c := range ws.Status.Conditions {
		lines = append(lines, fmt.Sprintf("%s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message))
	}
	return fmt.Sprintf("generation %d\n  %s", ws.Generation, strings.Join(lines, "\n  "))
}

// describe is what somebody who reads about a failure wants to know of the namespace.
func (s *scene) describe(ctx context.Context) string {
	var text strings.Builder
	list := &v1beta1.WorkspaceList{}
	_ = s.List(ctx, list, client.InNamespace(s.namespace))
	for i := range list.Items {
		fmt.Fprintf(&text, "Workspace %s, %s\n", list.Items[i].Name, told(&list.Items[i]))
	}
	for _, args := range [][]string{
		{"get", "ocirepositories,helmreleases,inferencepools,deployments,statefulsets,pods,resourcequotas", "-o", "wide"},
		{"get", "events", "--sort-by=.lastTimestamp"},
	} {
		out, err := s.kubectl(ctx, append([]string{"--namespace", s.namespace}, args...)...)
		fmt.Fprintln(&text, out)
		if err != nil {
			fmt.Fprintln(&text, err)
		}
	}
	return text.String()
}
