// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// TestLongNames: two Workspaces whose names are as long as may be, and differ only in the end, get children of their own.
func TestLongNames(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.node("a", 2)
	prefix := strings.Repeat("m", 62)
	for _, name := range []string{prefix + "1", prefix + "2"} {
		s.workspace(name, func(ws *v1beta1.Workspace) {
			ws.Annotations = map[string]string{"example.com/" + strings.Repeat("k", 63): strings.Repeat("ü", 200)}
			ws.Inference.Adapters = []v1beta1.AdapterSpec{{Source: &v1beta1.DataSource{
				Name: "a" + strings.Repeat(".-x", 20) + "-9", Image: "registry.example/adapter:v1",
			}}}
		})
	}
	for _, name := range []string{prefix + "1", prefix + "2"} {
		ws := s.expect(name, "InferenceReady=False LoadingModel", "InferencePoolReady=False PoolProgressing")
		s.Expect(s.everything(func(obj metav1.Object) bool { return metav1.IsControlledBy(obj, ws) })).To(gomega.HaveLen(5))
		s.serve(name)
	}
}

// TestLongRuntime: what is quoted in a message is no reason for it to be refused.
func TestLongRuntime(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.workspace("phi", func(ws *v1beta1.Workspace) {
		ws.Annotations = map[string]string{v1beta1.AnnotationRuntime: strings.Repeat("transformers ", 1000)}
	})
	s.expect("phi", "Stalled=True RuntimeNotSupported: …\" is not supported: remove the annotation")
}

// TestNamespaceGoes: the operator does not hold up a namespace that is deleted, nor hammer the API server meanwhile.
func TestNamespaceGoes(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.node("a", 3)
	s.workspace("phi")
	s.ready("phi")
	s.workspace("llama", multiNode)
	s.expect("llama", "InferencePoolReady=False PoolProgressing")
	// Objects go one after the other, and conditions follow.
	s.record.lenient = true
	mark := s.mark(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
	s.Expect(s.Delete(t.Context(), namespace)).To(gomega.Succeed())
	s.until(func() error {
		if s.Get(t.Context(), client.ObjectKeyFromObject(namespace), namespace) == nil {
			return errors.New("the namespace is still there")
		}
		return nil
	})
	// However long that takes, each Workspace's children are offered in one reconcile only.
	refused := s.operatorRequests(t, mark, func(r request) bool {
		return r.ObjectRef.Namespace == s.namespace && r.isWrite() && r.Response.Code == http.StatusForbidden && r.ObjectRef.Resource != "events"
	})
	s.Expect(len(refused)).To(gomega.BeNumerically("<", 2*8), strings.Join(refused, "\n"))
}

// TestConfigGoes: the ConfigMap of a Workspace that serves is deleted, and comes back.
func TestConfigGoes(t *testing.T) {
	t.Parallel()
	s := newScene(t, shared)
	s.node("a", 1)
	config := func() *corev1.ConfigMap {
		return &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "settings"},
			Data:       map[string]string{"inference_config.yaml": "vllm: {max-num-seqs: 8}"},
		}
	}
	s.create(config())
	s.workspace("phi", func(ws *v1beta1.Workspace) { ws.Inference.Config = "settings" })
	s.ready("phi")
	before := s.deployment("phi")
	s.step("deleted")
	s.Expect(s.Delete(t.Context(), config())).To(gomega.Succeed())
	s.expect("phi", "Ready=False ConfigNotFound", "InferenceReady=True ReplicasReady", "InferencePoolReady=True PoolReady")
	s.step("while it is gone, a pod crashes")
	s.report("phi", 1, terminated(&corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", Message: "ValueError"}))
	s.expect("phi", "Ready=False ConfigNotFound", "InferenceReady=False CrashLoopBackOff")
	s.step("and recovers")
	s.report("phi", 1, running)
	s.expect("phi", "Ready=False ConfigNotFound", "InferenceReady=True ReplicasReady")
	s.step("back")
	s.create(config())
	s.expect("phi", "Ready=True Ready")
	s.Expect(s.deployment("phi").Generation).To(gomega.Equal(before.Generation), "no pod was rolled")
}

// twoOperators run at the same time, and one is killed: the other takes over, and finishes what the first began.
func twoOperators(t *testing.T, c *cluster) {
	first := c.startOperator(t, gateOn())
	second, err := c.run(gateOn(), "--leader-elect")
	s := newScene(t, c)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(func() { _ = second.stop() })
	const count = 6
	var want []string
	for i := range count {
		name := fmt.Sprintf("phi-%d", i)
		s.workspace(name)
		want = append(want, "Deployment/"+name, "HelmRelease/"+poolName(name), "OCIRepository/"+poolName(name), "Service/"+name)
	}
	enough := 1 + rand.IntN(len(want))
	s.until(func() error {
		if have := len(s.written()); have < enough {
			return fmt.Errorf("only %d objects", have)
		}
		return nil
	})
	first.kill()
	// The lease of a leader that is lost runs out first.
	s.within(2*patience, func() error {
		if have := s.written(); len(have) < len(want) {
			return fmt.Errorf("only %v", have)
		}
		return nil
	})
	for i := range count {
		s.expectWithin(2*patience, fmt.Sprintf("phi-%d", i), "InferencePoolReady=False PoolProgressing")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, s.written()); diff != "" {
		t.Errorf("children (-want +have):\n%s", diff)
	}
	for i := range count {
		s.Expect(s.release(fmt.Sprintf("phi-%d", i)).Generation).To(gomega.Equal(int64(1)))
	}
}
