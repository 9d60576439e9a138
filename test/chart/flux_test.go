// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// controllers are Flux's programs, run here with the arguments and the account that the chart gives their pods.
type controllers struct {
	server *server
	all    objects
	// logs of all of them; they are in JSON, one object on each line.
	logs lockedBuffer
}

// runFlux starts both. They end with the test.
func runFlux(t *testing.T, s *server, all objects) *controllers {
	t.Helper()
	c := &controllers{server: s, all: all}
	files := freeAddress(t)
	c.run(t, "source-controller", map[string]string{
		"--storage-path": t.TempDir(), "--storage-addr": files, "--storage-adv-addr": files,
	})
	c.run(t, "helm-controller", map[string]string{"--graceful-shutdown-timeout": "5s"})
	return c
}

func (c *controllers) run(t *testing.T, name string, here map[string]string) {
	t.Helper()
	maps.Copy(here, map[string]string{"--health-addr": freeAddress(t), "--metrics-addr": freeAddress(t)})
	deployment := c.all.one(t, "Deployment", name)
	containers, _, _ := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	container, _ := containers[0].(map[string]any)
	args, _, _ := unstructured.NestedStringSlice(container, "args")
	// A lease is looked for in the pod's namespace, which only a pod has.
	here["--enable-leader-election"] = "false"
	for flag, value := range here {
		args = slices.DeleteFunc(args, func(arg string) bool { return arg == flag || strings.HasPrefix(arg, flag+"=") })
		args = append(args, flag+"="+value)
	}
	cmd := exec.Command(program(name), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.server.kubeconfigOf(t, name), "RUNTIME_NAMESPACE="+namespace, "TUF_ROOT="+t.TempDir())
	cmd.Stdout, cmd.Stderr = &c.logs, &c.logs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Errorf("stopping %s: %v", name, err)
		}
		_ = cmd.Wait()
	})
}

func program(name string) string {
	path, err := filepath.Abs(filepath.Join(root(), "bin", name))
	if err != nil {
		return name
	}
	return path
}

// kubeconfigOf is that of a pod with this account.
func (s *server) kubeconfigOf(t *testing.T, account string) string {
	t.Helper()
	token, err := s.typed.CoreV1().ServiceAccounts(namespace).CreateToken(t.Context(), account,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(3600))}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const name = "pod"
	file := filepath.Join(t.TempDir(), account)
	err = clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{name: {Server: s.config.Host, CertificateAuthorityData: s.config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {Token: token.Status.Token}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name, Namespace: namespace}},
		CurrentContext: name,
	}, file)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// denials are the lines of the logs that speak of a right that is missing.
func (c *controllers) denials() []string {
	var all []string
	for line := range strings.SplitSeq(c.logs.String(), "\n") {
		if strings.Contains(strings.ToLower(line), "forbidden") || strings.Contains(line, "cannot ") {
			all = append(all, line)
		}
	}
	return all
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// needPrograms skips a test without its programs, which take minutes to build; REQUIRE_FLUX=1 makes that a failure.
func needPrograms(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := os.Stat(program(name))
		switch {
		case err == nil:
		case os.Getenv("REQUIRE_FLUX") != "":
			t.Fatalf("REQUIRE_FLUX is set, and there is no %s: run make cluster-build-flux", name)
		default:
			t.Skipf("there is no %s: run make cluster-build-flux (make chart-test does)", name)
		}
	}
}

// TestFluxRights runs the real controllers with no more than the chart's rights: they install a pool chart, upgrade it,
// repair it and take it away, and are never denied anything.
func TestFluxRights(t *testing.T) {
	t.Parallel()
	needPrograms(t, "source-controller", "helm-controller")
	for name, with := range map[string]string{
		"everywhere":    "{}",
		"namespaces":    "flux: {namespaces: [models]}",
		"replicas":      "config: {endpointPicker: {replicas: 2}}",
		"impersonation": "config: {flux: {serviceAccountName: pool-installer}}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.namespace(t, "models")
			v := values(t, with)
			maps.Copy(v, gateOn())
			all := s.mustInstall(t, v)
			flux := runFlux(t, s, all)
			defer flux.report(t)
			p := newPool(t, s, all)
			p.apply(t, "v1.4.0")
			p.waitFor(t, "v1.4.0")
			p.apply(t, "v1.5.0")
			p.waitFor(t, "v1.5.0")
			p.damage(t)
			p.waitRepaired(t)
			p.delete(t)
		})
	}
}

// report fails the test for every right that was missing.
func (c *controllers) report(t *testing.T) {
	t.Helper()
	for _, line := range c.denials() {
		t.Errorf("denied: %s", line)
	}
	if t.Failed() {
		t.Logf("the controllers' last words:\n%s", tail(c.logs.String(), 8))
	}
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// act runs a function over and over while the test runs, in the place of a controller that is not there.
func act(t *testing.T, step func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			if err := step(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
				_, _ = fmt.Fprintf(t.Output(), "acting: %v\n", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
}
