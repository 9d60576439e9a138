// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// TestSettled has an API server of its own, so that each request in its audit log has a known cause: twenty Workspaces
// that are Ready cost nothing, neither over a minute nor when the operator restarts.
func TestSettled(t *testing.T) {
	t.Parallel()
	const count = 20
	c := startCluster(t, allCRDs()...)
	operator := c.startOperator(t, gateOn())
	s := newScene(t, c)
	s.node("a", count)
	var names []string
	for i := range count {
		names = append(names, s.workspace(fmt.Sprintf("phi-%d", i)).Name)
	}
	s.each(names, func(s *scene, name string) { s.ready(name) })
	s.step("nothing happens for a minute")
	anything := func(r request) bool { return !r.isUpkeep() }
	mark := s.mark(t)
	s.Consistently(func() []string { return s.operatorRequests(t, mark, anything) }).
		WithTimeout(time.Minute).WithPolling(time.Second).Should(gomega.BeEmpty())

	s.step("the operator restarts")
	mark = s.mark(t)
	s.Expect(operator.stop()).To(gomega.Succeed())
	c.startOperator(t, gateOn())
	s.step("it works again")
	probe := s.workspace("probe", func(ws *v1beta1.Workspace) { ws.Inference.Preset.Name = "no-such-model" })
	s.expect(probe.Name, "Stalled=True UnknownPreset")
	s.Consistently(func() []string {
		return s.operatorRequests(t, mark, func(r request) bool {
			return r.isWrite() && !r.isUpkeep() && r.ObjectRef.Name != probe.Name && r.ObjectRef.Resource != "events"
		})
	}).WithTimeout(2*quiet).WithPolling(10*interval).Should(gomega.BeEmpty(), "writes after a restart")
}

// killed kills the operator while it makes the children of many Workspaces.
func killed(t *testing.T, c *cluster) {
	const count = 10
	operator := c.startOperator(t, gateOn())
	s := newScene(t, c)
	for round := range 3 {
		for i := range count {
			s.workspace(fmt.Sprintf("phi-%d-%d", round, i))
		}
		// Anywhere between the first object and the last.
		enough := round*count*4 + 1 + rand.IntN(count*4)
		s.until(func() error {
			if have := len(s.written()); have < enough {
				return fmt.Errorf("only %d objects", have)
			}
			return nil
		})
		operator.kill()
		// The lease of a lost operator runs out by itself; that is not what takes the time here.
		s.Expect(s.Delete(s.t.Context(), &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: "workspace-operator.kaito.sh", Namespace: operatorNamespace},
		})).To(gomega.Succeed())
		operator = c.startOperator(t, gateOn())
	}
	var want []string
	for round := range 3 {
		for i := range count {
			name := fmt.Sprintf("phi-%d-%d", round, i)
			s.expect(name, "InferenceReady=False LoadingModel", "InferencePoolReady=False PoolProgressing")
			want = append(want, "Deployment/"+name, "Service/"+name, "OCIRepository/"+poolName(name), "HelmRelease/"+poolName(name))
		}
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), s.written()); diff != "" {
		t.Errorf("children (-want +have):\n%s", diff)
	}
	// What was made before the end was right: no second ReplicaSet, no second release.
	for _, name := range []string{"phi-0-0", "phi-1-0", "phi-2-0"} {
		s.Expect(s.release(name).Generation).To(gomega.Equal(int64(1)))
		s.until(func() error {
			if pods := s.pods(v1beta1.LabelWorkspace, name); len(pods) != 1 {
				return fmt.Errorf("%d pods of %s", len(pods), name)
			}
			return nil
		})
	}
}
