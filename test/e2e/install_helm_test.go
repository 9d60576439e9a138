// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const (
	chartRelease = "kaito-workspace"
	gateValue    = "featureGates.gatewayAPIInferenceExtension="
)

// bare says that the cluster has neither Flux nor our APIs: `make e2e-install` tests the chart on such a one.
func bare() bool { return os.Getenv("E2E_BARE") != "" }

// installation is the chart in a cluster.
type installation struct {
	*cluster
	*gomega.WithT
	t   *testing.T
	ctx context.Context //nolint:containedctx // as long as the test, like its T
}

// newInstallation loads the image built here and makes the namespace as docs/operations.md says, Pod Security included.
func newInstallation(t *testing.T, c *cluster) *installation {
	t.Helper()
	i := &installation{cluster: c, WithT: gomega.NewWithT(t), t: t, ctx: t.Context()}
	if c.loads() {
		i.run("cluster", "load", "--layout", filepath.Join(root(), "dist", "images", "workspace-controller"),
			"--image", "ghcr.io/workspace-operator/workspace-controller:"+i.appVersion())
	}
	return i
}

func (i *installation) appVersion() string {
	i.t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDirectory(), "Chart.yaml"))
	i.Expect(err).NotTo(gomega.HaveOccurred())
	var chart struct {
		AppVersion string `json:"appVersion"`
	}
	i.Expect(yaml.Unmarshal(text, &chart)).To(gomega.Succeed())
	return chart.AppVersion
}

func chartDirectory() string { return filepath.Join(root(), "charts", "workspace") }

// run is a program of bin, which must succeed.
func (i *installation) run(name string, args ...string) string {
	i.t.Helper()
	command := exec.CommandContext(i.ctx, program(name), args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+i.kubeconfig, "HELM_CACHE_HOME="+i.dir, "HELM_CONFIG_HOME="+i.dir, "HELM_DATA_HOME="+i.dir)
	text, err := output(command)
	i.Expect(err).NotTo(gomega.HaveOccurred())
	return text
}

// upgrade is the documented command with more values, and returns the notes.
func (i *installation) upgrade(values ...string) string {
	i.t.Helper()
	args := []string{
		"upgrade", "--install", chartRelease, chartDirectory(), "--namespace", operatorNamespace, "--create-namespace",
		"--wait", "--timeout", "3m",
	}
	for _, value := range values {
		args = append(args, "--set", value)
	}
	return i.run("helm", args...)
}

func (i *installation) uninstall() {
	i.t.Helper()
	i.run("helm", "uninstall", chartRelease, "--namespace", operatorNamespace, "--wait", "--timeout", "3m")
}

// deployments are the names of those in the operator's namespace, all of which must be available.
func (i *installation) deployments() []string {
	i.t.Helper()
	list := &appsv1.DeploymentList{}
	i.Expect(i.List(i.ctx, list, client.InNamespace(operatorNamespace))).To(gomega.Succeed())
	all := []string{}
	for _, d := range list.Items {
		i.Expect(d.Status.AvailableReplicas).To(gomega.Equal(*d.Spec.Replicas), d.Name)
		all = append(all, d.Name)
	}
	slices.Sort(all)
	return all
}

// objects is every object of the cluster as KIND/NAMESPACE/NAME, but for events and what kubelets keep about themselves.
func (i *installation) objects() []string {
	i.t.Helper()
	all := []string{}
	for _, item := range i.everything() {
		if !strings.HasPrefix(item.text, "leases/kube-node-lease/") && !ofIstiod(item.text) {
			all = append(all, item.text)
		}
	}
	slices.Sort(all)
	return all
}

// stuck are those of all objects that wait to be deleted.
func (i *installation) stuck() []string {
	i.t.Helper()
	all := []string{}
	for _, item := range i.everything() {
		if item.deleted {
			all = append(all, item.text)
		}
	}
	return all
}

type thing struct {
	text    string
	deleted bool
}

func (i *installation) everything() []thing {
	i.t.Helper()
	lists, err := i.kube.Discovery().ServerPreferredResources()
	i.Expect(err).NotTo(gomega.HaveOccurred())
	var all []thing
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "create"}}, lists) {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		i.Expect(err).NotTo(gomega.HaveOccurred())
		for _, resource := range list.APIResources {
			if resource.Kind == "Event" {
				continue
			}
			found, err := i.metadata.Resource(version.WithResource(resource.Name)).List(i.ctx, metav1.ListOptions{})
			if errors.IsNotFound(err) {
				continue
			}
			i.Expect(err).NotTo(gomega.HaveOccurred())
			for _, item := range found.Items {
				all = append(all, thing{fmt.Sprintf("%s/%s/%s", resource.Name, item.Namespace, item.Name), item.DeletionTimestamp != nil})
			}
		}
	}
	return all
}

// settles waits until nothing is being deleted any more.
func (i *installation) settles() {
	i.t.Helper()
	i.eventually(func() error {
		if stuck := i.stuck(); len(stuck) > 0 {
			return fmt.Errorf("in Terminating: %v", stuck)
		}
		return nil
	})
}

// leaves waits until the cluster has exactly these objects.
func (i *installation) leaves(want []string) {
	i.t.Helper()
	i.eventually(func() error {
		if diff := cmp.Diff(want, i.objects()); diff != "" {
			return fmt.Errorf("objects (-before +after):\n%s", diff)
		}
		return nil
	})
}

func (i *installation) eventually(check func() error) {
	i.t.Helper()
	i.Eventually(func() string {
		if err := check(); err != nil {
			return err.Error()
		}
		return ""
	}).WithTimeout(patience).WithPolling(interval).Should(gomega.BeEmpty())
}
