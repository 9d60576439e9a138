// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// cluster is what all tests work on.
type cluster struct {
	client.WithWatch
	config     *rest.Config
	kubeconfig string
	kube       *kubernetes.Clientset
	metadata   metadata.Interface
	http       *http.Client
	// dir holds files of the tests' own.
	dir string
	// own says that the tests started it.
	own   bool
	guard *watchdog

	mu        sync.Mutex
	operators map[*operator]bool
}

// openCluster finds or starts the cluster and prepares it for the operator. It is to be closed also if there is an error.
func openCluster(ctx context.Context, dir string) (*cluster, error) {
	c := &cluster{dir: dir, kubeconfig: os.Getenv("KUBECONFIG"), operators: map[*operator]bool{}}
	for _, name := range []string{"workspace-controller", "cluster", "kubectl"} {
		if _, err := os.Stat(program(name)); err != nil {
			return c, fmt.Errorf("run make build cluster-build-node first: %w", err)
		}
	}
	var err error
	if c.guard, err = newWatchdog(); err != nil {
		return c, err
	}
	if c.kubeconfig == "" {
		if err := c.up(ctx); err != nil {
			return c, err
		}
	}
	if err := c.connect(); err != nil {
		return c, fmt.Errorf("connecting to the cluster of %s: %w", c.kubeconfig, err)
	}
	if bare() {
		return c, nil
	}
	return c, c.prepareOperator(ctx)
}

// up starts a cluster. One that is up already is not touched: somebody else works with it.
func (c *cluster) up(ctx context.Context) error {
	if path, err := output(exec.CommandContext(ctx, program("cluster"), "kubeconfig", "--tier", "node")); err == nil {
		return fmt.Errorf("a cluster of tier node is up: take it down, or use it with KUBECONFIG=%s", strings.TrimSpace(path))
	}
	if err := c.guard.order("down " + program("cluster")); err != nil {
		return err
	}
	c.own = true
	flux := fmt.Sprintf("--flux=%t", !bare())
	command := exec.CommandContext(ctx, program("cluster"), "up", "--tier", "node", "--gateway", flux, "--gpus", "16")
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("starting the cluster: %w", err)
	}
	path, err := output(exec.CommandContext(ctx, program("cluster"), "kubeconfig", "--tier", "node"))
	c.kubeconfig = strings.TrimSpace(path)
	return err
}

func (c *cluster) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	config.UserAgent = "e2e-test"
	// Objects that the API warns about are the user's business, and the tests' on purpose.
	config.WarningHandlerWithContext = rest.NoWarnings{}
	c.config = config
	scheme := runtime.NewScheme()
	err = errors.Join(clientgoscheme.AddToScheme(scheme), v1beta1.AddToScheme(scheme), sourcev1.AddToScheme(scheme),
		helmv2.AddToScheme(scheme), inferencev1.Install(scheme), gatewayv1.Install(scheme), route.AddToScheme(scheme))
	if err != nil {
		return err
	}
	if c.WithWatch, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if c.kube, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	if c.metadata, err = metadata.NewForConfig(config); err != nil {
		return err
	}
	c.http, err = rest.HTTPClientFor(config)
	return err
}

// close stops what still runs, and takes the cluster down if it is the tests' own.
func (c *cluster) close() error {
	var err error
	for _, o := range c.running() {
		err = errors.Join(err, o.stop())
	}
	if c.guard == nil {
		return err
	}
	if c.own {
		if text, failed := output(exec.Command(program("cluster"), "down", "--tier", "node")); failed != nil {
			return errors.Join(err, fmt.Errorf("taking the cluster down: %w: %s", failed, text))
		}
	} else if c.WithWatch != nil {
		err = errors.Join(err, c.dismissOperator(context.Background()))
	}
	return errors.Join(err, c.guard.release())
}

func (c *cluster) running() []*operator {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*operator
	for o := range c.operators {
		all = append(all, o)
	}
	return all
}

// kubectl runs kubectl and returns what it prints.
func (c *cluster) kubectl(ctx context.Context, args ...string) (string, error) {
	return output(exec.CommandContext(ctx, program("kubectl"), append([]string{"--kubeconfig", c.kubeconfig}, args...)...))
}

// loads says whether images can be pushed to the registry of this cluster: bin/cluster runs it.
func (c *cluster) loads() bool {
	path, err := output(exec.Command(program("cluster"), "kubeconfig", "--tier", "node"))
	if err != nil {
		return false
	}
	ours, err := filepath.Abs(c.kubeconfig)
	return err == nil && ours == strings.TrimSpace(path)
}

// output runs a command and returns what it prints; of one that fails, the error holds that too.
func output(command *exec.Cmd) (string, error) {
	text, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(command.Args, " "), err, text)
	}
	return string(text), nil
}
