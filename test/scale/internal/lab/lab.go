// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package lab is the place of an experiment: an API server and etcd of its own with an audit log, and accounts with no
// more rights, and no higher priority, than they would have in production.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/test/actors"
)

// Namespaces of the experiment.
const (
	// Operator is where the operator has its account and its lease.
	Operator = "workspace-system"
	// Models is where the Workspaces are.
	Models = "models"
	// Foreign is where everything is that has nothing to do with us.
	Foreign = "foreign"
)

// Lab is one experiment's cluster.
type Lab struct {
	// Root is the repository, Dir holds what the experiment writes.
	Root, Dir string
	// Audit is the API server's audit log.
	Audit string
	// Admin is exempt from API priority and fairness: load and actors must not compete with what is measured.
	Admin  *rest.Config
	Client client.Client

	name string
	log  io.Writer
}

// Options say what a Lab is made of.
type Options struct {
	// Root is the repository; its bin has the cluster program.
	Root string
	// Name tells labs apart, at most 20 characters.
	Name string
	// CRDs are bundles of the cluster program: gie, flux.
	CRDs []string
	// Nodes is how many nodes share the GPUs.
	Nodes int
	// Log gets what the cluster program says.
	Log io.Writer
}

// Up starts a cluster. On error nothing is left running.
func Up(ctx context.Context, o Options) (*Lab, error) {
	dir, err := os.MkdirTemp("", "workspace-scale-")
	if err != nil {
		return nil, fmt.Errorf("making the experiment's directory: %w", err)
	}
	l := &Lab{Root: o.Root, Dir: dir, Audit: filepath.Join(dir, "audit.log"), name: o.Name, log: o.Log}
	if err := l.up(ctx, o); err != nil {
		return nil, errors.Join(err, l.Down(context.WithoutCancel(ctx)))
	}
	return l, nil
}

// Attach is a cluster that an earlier Up left in dir.
func Attach(root, dir string, log io.Writer) (*Lab, error) {
	name, err := os.ReadFile(filepath.Join(dir, nameFile))
	if err != nil {
		return nil, fmt.Errorf("%s is not what --keep left: %w", dir, err)
	}
	l := &Lab{Root: root, Dir: dir, Audit: filepath.Join(dir, "audit.log"), name: string(name), log: log}
	return l, l.connect()
}

// nameFile holds the name of the cluster.
const nameFile = "name"

func (l *Lab) up(ctx context.Context, o Options) error {
	if err := os.WriteFile(filepath.Join(l.Dir, nameFile), []byte(l.name), 0o644); err != nil {
		return err
	}
	err := l.cluster(ctx, "up", "--tier", "api", "--audit-log", l.Audit, "--crds", strings.Join(o.CRDs, ","))
	if err != nil {
		return err
	}
	// Its garbage collector would compete for the CPU; scenarios that need it start it.
	if err := l.cluster(ctx, "stop", "kube-controller-manager"); err != nil {
		return err
	}
	if err := l.connect(); err != nil {
		return err
	}
	return l.furnish(ctx, o.Nodes)
}

// connect makes the admin's client.
func (l *Lab) connect() error {
	var err error
	l.Admin, err = clientcmd.BuildConfigFromFlags("", filepath.Join(l.state(), "kubeconfig"))
	if err != nil {
		return fmt.Errorf("reading the admin's kubeconfig: %w", err)
	}
	l.Admin.QPS = -1
	l.Admin.UserAgent = "scale-load"
	scheme, err := actors.Scheme()
	if err != nil {
		return err
	}
	if l.Client, err = client.New(l.Admin, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("making the admin's client: %w", err)
	}
	return nil
}

// StartGarbageCollector starts the controller-manager.
func (l *Lab) StartGarbageCollector(ctx context.Context) error {
	return l.cluster(ctx, "start", "kube-controller-manager")
}

// InstallCRDs applies a bundle of the cluster program to the running cluster.
func (l *Lab) InstallCRDs(ctx context.Context, bundle string) error {
	return l.applyFiles(ctx, filepath.Join(l.Root, "bin", "share", "crds", bundle))
}

// Down stops the cluster and removes the experiment's files.
func (l *Lab) Down(ctx context.Context) error {
	return errors.Join(l.cluster(ctx, "down"), os.RemoveAll(l.Dir))
}

// DownCommand is what to type to stop the cluster; the experiment's files stay.
func (l *Lab) DownCommand() string {
	return "bin/cluster down --name " + l.name + " --state " + l.state()
}

func (l *Lab) state() string { return filepath.Join(l.Dir, "cluster") }

func (l *Lab) cluster(ctx context.Context, args ...string) error {
	args = append(args, "--name", l.name, "--state", l.state())
	cmd := exec.CommandContext(ctx, filepath.Join(l.Root, "bin", "cluster"), args...)
	cmd.Stdout, cmd.Stderr = l.log, l.log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cluster %s: %w", strings.Join(args, " "), err)
	}
	return nil
}
