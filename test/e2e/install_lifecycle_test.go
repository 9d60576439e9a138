// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// TestInstall walks the chart through its life on a cluster that has nothing of it, while a client asks a model all the time:
// no request may fail, no model pod may be replaced, nothing may stay in Terminating, and nothing may be left in the end.
func TestInstall(t *testing.T) { //nolint:paralleltest // it is about the whole cluster
	if !bare() {
		t.Skip("needs a cluster without Flux: make e2e-install")
	}
	l := &lifecycle{installation: newInstallation(t, shared)}
	before := l.objects()
	l.started = time.Now()
	l.run("kubectl", "create", "namespace", operatorNamespace)
	l.run("kubectl", "label", "namespace", operatorNamespace, "pod-security.kubernetes.io/enforce=restricted")
	defer l.describeIfFailed()
	l.install()
	l.took("install")
	// Model pods and Endpoint Pickers, too, have to pass the strictest standard; the client is nobody's business.
	l.models, l.clients = newScene(t, shared, restricted()), newScene(t, shared, nil)
	l.serve()
	l.took("serve")
	l.changeValues()
	l.took("upgrade with changed values")
	l.upgradePools()
	l.took("upgrade with a newer pool chart")
	l.offer()
	l.took("offer a model at a Gateway")
	l.switchOff()
	l.took("gate off")
	l.switchOn()
	l.took("gate on")
	l.remove()
	l.took("uninstall")
	l.installAgain()
	l.took("install again")
	l.requests.end()
	l.removeAll()
	l.leaves(before)
	l.took("remove everything")
}

// took ends a step, in which no right may have been missing.
func (l *lifecycle) took(step string) {
	l.t.Helper()
	l.t.Logf("%s: %.1f s", step, time.Since(l.started).Seconds())
	log, err := l.kubectl(l.ctx, "logs", "--namespace", operatorNamespace, "--selector", "app.kubernetes.io/instance="+chartRelease,
		"--all-containers", "--prefix", "--tail=-1", "--max-log-requests=10")
	l.Expect(err).NotTo(gomega.HaveOccurred())
	for line := range strings.Lines(log) {
		if strings.Contains(strings.ToLower(line), "forbidden") || strings.Contains(line, "cannot ") {
			l.t.Errorf("%s: denied: %s", step, line)
		}
	}
	l.started = time.Now()
}

func restricted() map[string]string {
	return map[string]string{
		"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest",
	}
}

type lifecycle struct {
	*installation
	models, clients *scene
	// gateway has a Gateway with body-based routing and a Workspace behind it.
	gateway  *gatewayScene
	requests *traffic
	// started is when the step began that is under way.
	started time.Time
	// pods are the model's, which nothing here may replace.
	pods []types.UID
}

// orphan is a Workspace that is deleted while there is no operator.
const orphan = "orphan"

const oldPool, newPool = "config.chart.version=v1.4.0", "config.chart.version=v1.5.0"

func (l *lifecycle) install() {
	l.t.Helper()
	notes := l.upgrade(gateValue+"true", oldPool)
	l.Expect(notes).To(gomega.ContainSubstring("kubectl wait --for=condition=Ready workspace/"))
	l.Expect(l.deployments()).To(gomega.Equal([]string{"helm-controller", chartRelease, "source-controller"}))
	l.Expect(l.run("helm", "test", chartRelease, "--namespace", operatorNamespace, "--logs")).To(gomega.ContainSubstring("ok: InferencePoolList"))
}

func (l *lifecycle) serve() {
	l.t.Helper()
	l.models.workspace("phi", twoReplicas)
	l.models.workspace(orphan)
	ws := l.models.ready("phi")
	l.models.ready(orphan)
	l.models.expectChart(ws, "v1.4.0")
	l.pods = uids(l.models.modelPods("phi"))
	l.requests = l.clients.send(ws)
}

// untouched: the model's pods are the same, and every request since the last look was answered.
func (l *lifecycle) untouched() {
	l.t.Helper()
	l.Expect(uids(l.models.modelPods("phi"))).To(gomega.ConsistOf(l.pods), "the model's pods were replaced")
	l.requests.more(10)
}

// changeValues is an upgrade that concerns the operator only.
func (l *lifecycle) changeValues() {
	l.t.Helper()
	pickers := names(l.models.pickerPods("phi"))
	old := l.operators()
	l.upgrade(gateValue+"true", oldPool, "workers=3", "log.level=debug", "config.gateway.probe=false")
	l.eventually(func() error {
		for _, pod := range l.operators() {
			if slices.Contains(old, pod) {
				return fmt.Errorf("%s runs with the old configuration", pod)
			}
		}
		return nil
	})
	l.models.ready("phi")
	l.Expect(names(l.models.pickerPods("phi"))).To(gomega.Equal(pickers))
	l.untouched()
}

func (l *lifecycle) operators() []string {
	l.t.Helper()
	list := &corev1.PodList{}
	l.Expect(l.List(l.ctx, list, client.InNamespace(operatorNamespace), client.MatchingLabels{"app.kubernetes.io/component": "controller"})).
		To(gomega.Succeed())
	return names(list.Items)
}

func (l *lifecycle) upgradePools() {
	l.t.Helper()
	l.upgrade(gateValue+"true", newPool)
	l.models.until(func() error {
		ws := &v1beta1.Workspace{}
		l.models.must(ws, "phi")
		if pool := ws.Status.InferencePool; pool == nil || pool.Version != "1.5.0" {
			return fmt.Errorf("the pool is %+v", pool)
		}
		return nil
	})
	l.models.expectChart(l.models.ready("phi"), "v1.5.0")
	l.untouched()
}

// switchOff removes pools and then, by a second upgrade, Flux.
func (l *lifecycle) switchOff() {
	l.t.Helper()
	ws := &v1beta1.Workspace{}
	l.models.must(ws, "phi")
	pool := *ws.Status.InferencePool
	notes := l.upgrade(gateValue+"false", newPool, byModel)
	l.Expect(notes).To(gomega.ContainSubstring("Flux stays until they are gone"))
	l.models.expect("phi", "Ready=True Ready", "!InferencePoolReady")
	ws.Status.InferencePool = &pool
	l.models.until(func() error { return l.models.poolIsGone(ws) })
	l.withdrawn()
	l.settles()
	l.untouched()

	l.upgrade(gateValue+"false", newPool, byModel)
	l.Expect(l.deployments()).To(gomega.Equal([]string{chartRelease}))
	l.settles()
	l.untouched()
}

func (l *lifecycle) switchOn() {
	l.t.Helper()
	l.upgrade(gateValue+"true", newPool, byModel)
	l.models.expectChart(l.models.ready("phi"), "v1.5.0")
	l.offered()
	l.Expect(l.deployments()).To(gomega.Equal([]string{"helm-controller", chartRelease, "source-controller"}))
	l.untouched()
}

// remove takes the chart away from under a model, which goes on, also for those who ask it through a Gateway with
// body-based routing, and its pool, which stays as it is.
func (l *lifecycle) remove() {
	l.t.Helper()
	pickers := names(l.models.pickerPods("phi"))
	through := l.clients.send(l.gateway.routed(routed))
	l.uninstall()
	l.eventually(func() error {
		if left := l.ofChart(); len(left) > 0 {
			return fmt.Errorf("left by the chart: %v", left)
		}
		return nil
	})
	l.settles()
	release := &helmv2.HelmRelease{}
	l.models.must(release, "phi-inferencepool")
	l.Expect(names(l.models.pickerPods("phi"))).To(gomega.Equal(pickers))
	l.untouched()
	through.end()

	l.run("kubectl", "delete", "workspace", orphan, "--namespace", l.models.namespace)
	l.eventually(func() error {
		if len(l.stuck()) == 0 {
			return fmt.Errorf("the HelmRelease of a deleted Workspace does not wait for helm-controller")
		}
		return nil
	})
}

// ofChart is what is left of an uninstalled chart beside what it leaves on purpose: CRDs, what routes need to go on, and
// what no chart removes.
func (l *lifecycle) ofChart() []string {
	l.t.Helper()
	var left []string
	for _, object := range l.objects() {
		kind, _, _ := strings.Cut(object, "/")
		_, name, ofCluster := strings.Cut(object, "//")
		ours := strings.Contains(object, "/"+operatorNamespace+"/") || ofCluster && (name == chartRelease || strings.HasPrefix(name, chartRelease+"-"))
		kept := []string{
			"leases", "referencegrants", "namespaces//" + operatorNamespace, "secrets/" + operatorNamespace + "/workspace-operator-ca",
			"serviceaccounts/" + operatorNamespace + "/default", "configmaps/" + operatorNamespace + "/kube-root-ca.crt",
		}
		if ours && !slices.Contains(kept, kind) && !slices.Contains(kept, object) {
			left = append(left, object)
		}
	}
	return left
}

// installAgain takes up what the uninstalled chart left, and ends what could not end without it.
func (l *lifecycle) installAgain() {
	l.t.Helper()
	l.upgrade(gateValue+"true", newPool, byModel)
	l.models.ready("phi")
	l.offered()
	l.settles()
	l.Expect(l.models.get(&helmv2.HelmRelease{}, orphan+"-inferencepool")).To(gomega.BeFalse())
	l.untouched()
}

// removeAll is the last section of docs/operations.md.
func (l *lifecycle) removeAll() {
	l.t.Helper()
	l.run("kubectl", "delete", "workspaces", "--all", "--all-namespaces")
	l.run("kubectl", "wait", "--for=delete", "helmreleases", "--all", "--all-namespaces", "--timeout=5m")
	l.uninstall()
	for _, object := range l.objects() {
		name, isCRD := strings.CutPrefix(object, "customresourcedefinitions//")
		if isCRD && (strings.HasSuffix(name, ".kaito.sh") || strings.HasSuffix(name, ".fluxcd.io") || strings.HasPrefix(name, "inferencepools.")) {
			l.run("kubectl", "delete", "crd", name)
		}
	}
	l.run("kubectl", "delete", "namespace", operatorNamespace, l.models.namespace, l.clients.namespace, l.gateway.namespace)
	l.settles()
}

func (l *lifecycle) describeIfFailed() {
	if !l.t.Failed() {
		return
	}
	for _, args := range [][]string{
		{"get", "pods,workspaces,helmreleases,ocirepositories,gateways,httproutes", "--all-namespaces", "-o", "wide"},
		{"get", "events", "--namespace", operatorNamespace, "--sort-by=.lastTimestamp"},
		{"logs", "--namespace", operatorNamespace, "--selector", "app.kubernetes.io/name=workspace", "--tail=20", "--prefix"},
	} {
		text, err := l.kubectl(l.ctx, args...)
		l.t.Log(text, err)
	}
}
