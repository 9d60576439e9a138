// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

const (
	patience = time.Minute
	interval = 100 * time.Millisecond
	// quiet is how long nothing must happen where nothing is expected to.
	quiet = 2 * time.Second

	sceneLabel = "scene"
	a100       = "Standard_NC24ads_A100_v4"
	gpu        = corev1.ResourceName("nvidia.com/gpu")
)

// scene is a namespace for one test, nodes of its own, and a record of all conditions.
type scene struct {
	*cluster
	*gomega.WithT
	t         *testing.T
	namespace string
	record    *recorder
}

func newScene(t *testing.T, c *cluster) *scene {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	s := &scene{cluster: c, WithT: gomega.NewWithT(t), t: t, namespace: namespace.Name}
	s.record = record(t, c, s.namespace)
	return s
}

// node adds a Ready node with GPUs that the scene's Workspaces may use.
func (s *scene) node(name string, gpus int64) {
	s.t.Helper()
	name = s.namespace + "-" + name
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		sceneLabel: s.namespace, corev1.LabelInstanceTypeStable: a100,
	}}}
	s.create(node)
	s.t.Cleanup(func() { _ = s.Delete(s.cleanup(), node) })
	amount := corev1.ResourceList{gpu: *resource.NewQuantity(gpus, resource.DecimalSI)}
	s.status(node, func() {
		node.Status.Capacity, node.Status.Allocatable = amount, amount
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	})
}

// workspace creates a Workspace that serves phi-4-mini-instruct unless it is changed.
func (s *scene) workspace(name string, change ...func(*v1beta1.Workspace)) *v1beta1.Workspace {
	s.t.Helper()
	ws := &v1beta1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace},
		Resource: v1beta1.ResourceSpec{
			InstanceType:  a100,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{sceneLabel: s.namespace}},
		},
		Inference: &v1beta1.InferenceSpec{Preset: &v1beta1.PresetSpec{Name: "phi-4-mini-instruct"}},
	}
	for _, f := range change {
		f(ws)
	}
	s.create(ws)
	return ws
}

// cleanup is a context for what happens after the test, when the test's own has ended.
func (s *scene) cleanup() context.Context { return context.WithoutCancel(s.t.Context()) }

func (s *scene) create(obj client.Object) {
	s.t.Helper()
	s.Expect(s.Create(s.t.Context(), obj)).To(gomega.Succeed())
}

// get reads an object of the scene's namespace into obj and says whether it is there.
func (s *scene) get(obj client.Object, name string) bool {
	s.t.Helper()
	err := s.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: name}, obj)
	s.Expect(client.IgnoreNotFound(err)).To(gomega.Succeed())
	return err == nil
}

// edit changes an object as a user would: only what change changed is sent.
func (s *scene) edit(obj client.Object, change func()) {
	s.t.Helper()
	before := obj.DeepCopyObject().(client.Object)
	change()
	s.Expect(s.Patch(s.t.Context(), obj, client.MergeFrom(before))).To(gomega.Succeed())
}

// status is edit for an object's status.
func (s *scene) status(obj client.Object, change func()) {
	s.t.Helper()
	before := obj.DeepCopyObject().(client.Object)
	change()
	s.Expect(s.Status().Patch(s.t.Context(), obj, client.MergeFrom(before))).To(gomega.Succeed())
}

// step says that the world is changed now.
func (s *scene) step(what string) {
	s.t.Helper()
	s.t.Logf("%s: %s", time.Now().Format(time.TimeOnly), what)
	s.changes()
}

// changes says that the world is changed now, once the recorder has seen everything until now.
func (s *scene) changes() {
	s.t.Helper()
	list := &v1beta1.WorkspaceList{}
	s.Expect(s.List(s.t.Context(), list, client.InNamespace(s.namespace))).To(gomega.Succeed())
	for i := range list.Items {
		s.until(func() error {
			if !s.record.knows(&list.Items[i]) {
				return errors.New("the recorder is behind")
			}
			return nil
		})
	}
	s.record.step()
}

// each runs f for several Workspaces at once.
func (s *scene) each(names []string, f func(*scene, string)) {
	s.t.Helper()
	s.t.Run("each", func(t *testing.T) {
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				one := *s
				one.t, one.WithT = t, gomega.NewWithT(t)
				f(&one, name)
			})
		}
	})
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
	}).WithTimeout(limit).WithPolling(interval).WithContext(s.t.Context()).Should(gomega.BeEmpty())
}

// expect waits until the conditions of a Workspace are as told, for its current generation. Each is told as TYPE=STATUS
// REASON, with ": " and a part of the message if that matters, or as !TYPE if it must be absent.
func (s *scene) expect(name string, conditions ...string) *v1beta1.Workspace {
	s.t.Helper()
	return s.expectWithin(patience, name, conditions...)
}

func (s *scene) expectWithin(limit time.Duration, name string, conditions ...string) *v1beta1.Workspace {
	s.t.Helper()
	ws := &v1beta1.Workspace{}
	s.within(limit, func() error {
		if err := s.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: name}, ws); err != nil {
			return err
		}
		for _, condition := range conditions {
			if err := compare(ws, condition); err != nil {
				return fmt.Errorf("%s: %w; have %s", name, err, told(ws))
			}
		}
		return nil
	})
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
	have := meta.FindStatusCondition(ws.Status.Conditions, condition)
	switch {
	case have == nil:
		return fmt.Errorf("%s is absent", condition)
	case fmt.Sprintf("%s=%s %s", have.Type, have.Status, have.Reason) != value, !strings.Contains(have.Message, message):
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
