// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

// child is a process that a test started.
type child struct {
	command *exec.Cmd
	log     string
	done    chan struct{}
	// metrics is the address of an operator's metrics.
	metrics string
}

func startChild(log string, command *exec.Cmd) (*child, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	command.Stdout, command.Stderr = file, file
	// An interrupt from the terminal is for the tests, which then stop their servers in order.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return nil, err
	}
	c := &child{command: command, log: log, done: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(c.done)
	}()
	return c, guard.adopt()
}

// stop asks the process to end and waits for that.
func (c *child) stop() error {
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil {
		// It ended by itself.
		return nil
	}
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	select {
	case <-c.done:
		return nil
	case <-deadline.C:
		c.kill()
		return fmt.Errorf("%s did not end within 30 s, see %s", c.command.Path, c.log)
	}
}

// kill ends the process as a lost node does.
func (c *child) kill() {
	_ = c.command.Process.Kill()
	<-c.done
}

func (c *child) tail() string {
	text, _ := os.ReadFile(c.log)
	return string(text[max(0, len(text)-4000):])
}

const configurationHead = "apiVersion: config.kaito.sh/v1alpha1\nkind: Configuration\n"

func gateOn() string {
	return configurationHead + "featureGates: {gatewayAPIInferenceExtension: true}\n"
}

func gateOff() string { return configurationHead }

func withChart(version string) string { return gateOn() + "chart: {version: " + version + "}\n" }

// run starts the operator as a process with a configuration and waits until it is up.
func (c *cluster) run(configuration string, flags ...string) (*child, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	metricsPort, err := freePort()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(c.dir, fmt.Sprintf("configuration-%d.yaml", port))
	if err := os.WriteFile(config, []byte(configuration), 0o600); err != nil {
		return nil, err
	}
	health, metrics := fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.1:%d", metricsPort)
	command := exec.Command(program, append([]string{
		"--config=" + config, "--namespace=" + operatorNamespace,
		"--metrics-bind-address=" + metrics, "--metrics-secure=false", "--models-bind-address=", "--health-probe-bind-address=" + health,
	}, flags...)...)
	command.Env = append(os.Environ(), "KUBECONFIG="+c.operatorConfig)
	operator, err := startChild(filepath.Join(c.dir, "operator.log"), command)
	if err != nil {
		return nil, err
	}
	operator.metrics = metrics
	probe, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for probe.Err() == nil && !operator.ended() && !healthy(probe, "http://"+health+"/readyz") {
		time.Sleep(50 * time.Millisecond) //nolint:forbidigo // a process that starts announces itself to nobody
	}
	if probe.Err() != nil || operator.ended() {
		return nil, fmt.Errorf("the operator does not start: %s", operator.tail())
	}
	return operator, nil
}

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
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

// startOperator is run for the time of one test.
func (c *cluster) startOperator(t *testing.T, configuration string, flags ...string) *child {
	t.Helper()
	operator, err := c.run(configuration, append(flags, "--leader-elect")...)
	gomega.NewWithT(t).Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(func() {
		if err := operator.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("operator: …%s", operator.tail())
		}
	})
	return operator
}
