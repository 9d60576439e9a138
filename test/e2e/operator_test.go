// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const (
	// operatorNamespace is where the operator would be installed.
	operatorNamespace = "kaito-workspace"
	// operatorAccount has exactly the rights of config/rbac. The name keeps out of the way of an installed operator.
	operatorAccount = "workspace-operator-e2e"

	configurationHead = "apiVersion: config.kaito.sh/v1alpha1\nkind: Configuration\n"
	gateOff           = configurationHead
	gateOn            = configurationHead + "featureGates: {gatewayAPIInferenceExtension: true}\n"
)

// lostLease are the last words of an operator that could not renew its lease in time, which happens on a machine as busy as
// the tests make it.
const lostLease = "leader election lost"

// operator is a process with one configuration. One that lost its lease is started again, as a kubelet would.
type operator struct {
	cluster *cluster
	args    []string
	log     string
	done    chan struct{}

	mu       sync.Mutex
	command  *exec.Cmd
	stopping bool
}

// prepareOperator installs what the operator needs before it starts: its API and its rights.
func (c *cluster) prepareOperator(ctx context.Context) error {
	if _, err := c.kubectl(ctx, "apply", "--server-side", "-f", filepath.Join(root(), "config", "crd")); err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, "wait", "--for=condition=Established", "crd/workspaces.kaito.sh", "--timeout=60s"); err != nil {
		return err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}}
	if err := client.IgnoreAlreadyExists(c.Create(ctx, namespace)); err != nil {
		return err
	}
	rights, err := operatorRights()
	if err != nil {
		return err
	}
	for _, obj := range rights {
		// Of an earlier run that was killed; the rights may have changed since.
		if err := errors.Join(client.IgnoreNotFound(c.Delete(ctx, obj)), c.Create(ctx, obj)); err != nil {
			return fmt.Errorf("giving the operator its rights: %w", err)
		}
	}
	return c.writeOperatorKubeconfig()
}

// dismissOperator removes the rights again.
func (c *cluster) dismissOperator(ctx context.Context) error {
	rights, err := operatorRights()
	for _, obj := range rights {
		err = errors.Join(err, client.IgnoreNotFound(c.Delete(ctx, obj)))
	}
	return err
}

// operatorRights are an account with the roles of config/rbac, so that a missing right shows.
func operatorRights() ([]client.Object, error) {
	text, err := os.ReadFile(filepath.Join(root(), "config", "rbac", "role.yaml"))
	if err != nil {
		return nil, err
	}
	all, own := &rbacv1.ClusterRole{}, &rbacv1.Role{}
	for i, document := range strings.Split(strings.TrimPrefix(string(text), "---\n"), "\n---\n") {
		if err := yaml.UnmarshalStrict([]byte(document), []any{all, own}[i]); err != nil {
			return nil, err
		}
	}
	meta := metav1.ObjectMeta{Name: operatorAccount, Namespace: operatorNamespace}
	all.ObjectMeta, own.ObjectMeta = metav1.ObjectMeta{Name: operatorAccount}, meta
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: operatorAccount, Namespace: operatorNamespace}}
	return []client.Object{
		&corev1.ServiceAccount{ObjectMeta: meta}, all, own,
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: all.ObjectMeta, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: operatorAccount},
		},
		&rbacv1.RoleBinding{
			ObjectMeta: meta, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: operatorAccount},
		},
	}, nil
}

func (c *cluster) operatorKubeconfig() string { return filepath.Join(c.dir, "operator.kubeconfig") }

// writeOperatorKubeconfig writes the tests' own access, reduced to the operator's account.
func (c *cluster) writeOperatorKubeconfig() error {
	access, err := clientcmd.LoadFromFile(c.kubeconfig)
	if err != nil {
		return err
	}
	if err := clientcmd.ResolveLocalPaths(access); err != nil {
		return err
	}
	for _, user := range access.AuthInfos {
		user.Impersonate = "system:serviceaccount:" + operatorNamespace + ":" + operatorAccount
	}
	return clientcmd.WriteToFile(*access, c.operatorKubeconfig())
}

// startOperator runs the operator with a configuration until it is stopped, or the test ends.
func (c *cluster) startOperator(t *testing.T, configuration string) *operator {
	t.Helper()
	o, err := c.runOperator(t.Context(), configuration)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("operator: …%s", o.tail())
		}
	})
	return o
}

func (c *cluster) runOperator(ctx context.Context, configuration string) (*operator, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	config := filepath.Join(c.dir, "configuration-"+port+".yaml")
	if err := os.WriteFile(config, []byte(configuration), 0o600); err != nil {
		return nil, err
	}
	models, err := freeAddress()
	if err != nil {
		return nil, err
	}
	if err := c.offerModels(ctx, models); err != nil {
		return nil, err
	}
	o := &operator{cluster: c, log: filepath.Join(c.dir, "operator-"+port+".log"), done: make(chan struct{})}
	o.args = []string{
		"--config=" + config, "--namespace=" + operatorNamespace,
		"--leader-elect", "--metrics-bind-address=0", "--health-probe-bind-address=" + address,
		// By this port alone: pods ask, too.
		"--models-bind-address=" + strings.TrimPrefix(models, "127.0.0.1"),
	}
	if err := o.start(); err != nil {
		return nil, fmt.Errorf("starting the operator: %w", err)
	}
	go o.supervise()
	c.note(o)
	if err := o.await(ctx, "http://"+address+"/readyz"); err != nil {
		return nil, errors.Join(err, o.stop())
	}
	return o, nil
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func (c *cluster) note(o *operator) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.operators[o] = true
}

func (o *operator) start() error {
	file, err := os.OpenFile(o.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	command := exec.Command(program("workspace-controller"), o.args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+o.cluster.operatorKubeconfig())
	command.Stdout, command.Stderr = file, file
	// An interrupt from the terminal is for the tests, which then stop the operator in order.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return err
	}
	o.command = command
	return o.cluster.guard.order(fmt.Sprintf("kill %d", command.Process.Pid))
}

// supervise returns when the operator has ended for good.
func (o *operator) supervise() {
	defer close(o.done)
	for {
		_ = o.command.Wait()
		if !o.startAgain() {
			return
		}
	}
}

func (o *operator) startAgain() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.stopping && strings.HasSuffix(strings.TrimSpace(o.tail()), lostLease) && o.start() == nil
}

func (o *operator) await(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !healthy(ctx, url) {
		select {
		case <-o.done:
			return fmt.Errorf("the operator ended: %s", o.tail())
		case <-ctx.Done():
			return fmt.Errorf("the operator does not get ready: %s", o.tail())
		case <-tick.C:
		}
	}
	return nil
}

func healthy(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// stop asks the operator to end and waits for that; one that ended already is fine.
func (o *operator) stop() error {
	o.cluster.mu.Lock()
	delete(o.cluster.operators, o)
	o.cluster.mu.Unlock()
	o.mu.Lock()
	o.stopping = true
	err := o.command.Process.Signal(syscall.SIGTERM)
	o.mu.Unlock()
	if err != nil {
		<-o.done
		return nil
	}
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	select {
	case <-o.done:
		return nil
	case <-deadline.C:
		_ = o.command.Process.Kill()
		<-o.done
		return errors.New("the operator did not end within 30 s")
	}
}

func (o *operator) tail() string {
	text, _ := os.ReadFile(o.log)
	return string(text[max(0, len(text)-6000):])
}
