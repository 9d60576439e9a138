// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"helm.sh/helm/v4/pkg/action"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/kube"
	releasev1 "helm.sh/helm/v4/pkg/release/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// update rewrites what the tests compare with.
var update = flag.Bool("update", false, "rewrite generated parts of the documentation")

func TestMain(m *testing.M) {
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	if _, err := os.Stat(filepath.Join(assets(), "kube-apiserver")); err != nil {
		fmt.Fprintf(os.Stderr, "chart: no API server to test against: run make cluster-build-api (%v)\n", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func assets() string { return filepath.Join(root(), "bin", "k8s") }

// server is an API server for one test; releases are of the whole cluster, so tests cannot share one.
type server struct {
	client.Client
	config *rest.Config
	typed  *kubernetes.Clientset
	// kubeconfig is the administrator's.
	kubeconfig string
}

func start(t *testing.T) *server {
	t.Helper()
	env := &envtest.Environment{
		BinaryAssetsDirectory: assets(), ControlPlaneStartTimeout: 2 * time.Minute, ControlPlaneStopTimeout: time.Minute,
	}
	env.ControlPlane.GetAPIServer().Configure().Set("endpoint-reconciler-type", "none")
	config, err := env.Start()
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Errorf("stopping the API server: %v", err)
		}
	})
	if err != nil {
		t.Fatalf("starting the API server: %v", err)
	}
	config.QPS = -1
	s := &server{config: config, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	if err := os.WriteFile(s.kubeconfig, env.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	if s.Client, err = client.New(config, client.Options{}); err != nil {
		t.Fatal(err)
	}
	if s.typed, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	s.namespace(t, namespace)
	return s
}

func (s *server) namespace(t *testing.T, name string) {
	t.Helper()
	err := s.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// helm is Helm's view of the server, in one namespace.
func (s *server) helm(t *testing.T, in string) *action.Configuration {
	t.Helper()
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig, flags.Namespace = &s.kubeconfig, &in
	configuration := action.NewConfiguration()
	if err := configuration.Init(flags, in, "secret"); err != nil {
		t.Fatal(err)
	}
	return configuration
}

// install is `helm upgrade --install` without --wait: nothing runs the pods here.
func (s *server) install(t *testing.T, with map[string]any) (*releasev1.Release, error) {
	t.Helper()
	if _, err := s.helm(t, namespace).Releases.Last(releaseName); err != nil {
		return s.installAs(t, releaseName, namespace, with)
	}
	// An upgrade without values would take those of the release before.
	return s.upgrade(t, load(t), with, func(do *action.Upgrade) { do.ResetValues = true })
}

func (s *server) installAs(t *testing.T, name, in string, with map[string]any) (*releasev1.Release, error) {
	t.Helper()
	do := action.NewInstall(s.helm(t, in))
	do.ReleaseName, do.Namespace = name, in
	return s.installChart(t, do, load(t), with)
}

// installChart is `helm install` of a chart with flags.
func (s *server) installChart(t *testing.T, do *action.Install, chart *chartv2.Chart, with map[string]any) (*releasev1.Release, error) {
	t.Helper()
	do.WaitStrategy = kube.HookOnlyStrategy
	result, err := do.RunWithContext(t.Context(), chart, with)
	if err != nil {
		return nil, err
	}
	return released(t, result), nil
}

// upgrade is `helm upgrade` to a chart, with flags.
func (s *server) upgrade(t *testing.T, chart *chartv2.Chart, with map[string]any, flags func(*action.Upgrade)) (*releasev1.Release, error) {
	t.Helper()
	do := action.NewUpgrade(s.helm(t, namespace))
	do.Namespace, do.WaitStrategy = namespace, kube.HookOnlyStrategy
	flags(do)
	result, err := do.RunWithContext(t.Context(), releaseName, chart, with)
	if err != nil {
		return nil, err
	}
	return released(t, result), nil
}

func (s *server) mustInstall(t *testing.T, with map[string]any) objects {
	t.Helper()
	release, err := s.install(t, with)
	if err != nil {
		t.Fatal(err)
	}
	return objectsOf(t, release)
}

func (s *server) uninstall(t *testing.T) {
	t.Helper()
	do := action.NewUninstall(s.helm(t, namespace))
	do.WaitStrategy = kube.HookOnlyStrategy
	if _, err := do.Run(releaseName); err != nil {
		t.Fatal(err)
	}
}

// eventually runs a check until it has nothing to say, at most for a minute.
func eventually(t *testing.T, check func(context.Context) error) {
	t.Helper()
	within(t, time.Minute, check)
}

func within(t *testing.T, limit time.Duration, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(errors.Join(err, ctx.Err()))
		case <-tick.C:
		}
	}
}
