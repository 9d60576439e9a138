// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/workspace-operator/workspace-operator/internal/render/workload"
)

// TestLaunch runs the command of a multi-node pod with a vllm that prints its arguments one per line: they must come
// through the shell as they are, whatever a user wrote, and only the leader serves HTTP.
func TestLaunch(t *testing.T) {
	t.Parallel()
	arguments := []string{"--a=$(touch hacked)", "--b=`touch hacked`", "--c='; touch hacked; '", `--d="x" y`, "--e=*", "-n", "--f=$HOME"}
	container := multiNodeContainer(t, 5000)
	for index, more := range map[string][]string{"0": nil, "1": {"--headless"}, "12": {"--headless"}} {
		t.Run(index, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program(t, dir, "vllm", "#!/bin/sh\nfor a in \"$@\"; do printf '%s\\n' \"$a\"; done\n")
			command := exec.Command(container.Command[0], append(container.Command[1:], arguments...)...)
			command.Dir = dir
			command.Env = []string{"PATH=" + dir, "POD_INDEX=" + index}
			out, err := command.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			want := append(append([]string{"serve"}, arguments...), more...)
			if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(string(out)), "\n")); diff != "" {
				t.Errorf("arguments of vllm (-want +got):\n%s", diff)
			}
			if _, err := os.Stat(filepath.Join(dir, "hacked")); err == nil {
				t.Error("the shell ran what an argument said")
			}
		})
	}
}

// TestHealth runs the probe of a multi-node pod against servers that are well, loading and gone, with each client that
// an image may have.
func TestHealth(t *testing.T) {
	t.Parallel()
	well := server(t, http.StatusOK)
	loading := server(t, http.StatusServiceUnavailable)
	gone := server(t, http.StatusOK)
	gone.Close()
	command := multiNodeContainer(t, 5000).ReadinessProbe.Exec.Command
	url := len(command) - 1
	if want := "http://127.0.0.1:5000/health"; command[url] != want {
		t.Fatalf("want %s as last argument, got %s", want, command[url])
	}
	for _, client := range []string{"curl", "wget", "python3"} {
		path, err := exec.LookPath(client)
		if err != nil {
			t.Logf("%s is not installed here", client)
			continue
		}
		dir := t.TempDir()
		program(t, dir, client, "#!/bin/sh\nPATH="+os.Getenv("PATH")+" exec "+path+" \"$@\"\n")
		for _, c := range []struct {
			name, index, url string
			ready            bool
		}{
			{"leader, well", "0", well.URL, true},
			{"leader, loading", "0", loading.URL, false},
			{"leader, gone", "0", gone.URL, false},
			{"worker", "1", gone.URL, true},
		} {
			t.Run(client+": "+c.name, func(t *testing.T) {
				t.Parallel()
				probe := exec.Command(command[0], append(append([]string{}, command[1:url]...), c.url+"/health")...)
				probe.Env = []string{"PATH=" + dir, "POD_INDEX=" + c.index}
				out, err := probe.CombinedOutput()
				if ready := err == nil; ready != c.ready {
					t.Errorf("want ready %v, got %v: %s", c.ready, err, out)
				}
			})
		}
	}
}

func multiNodeContainer(t *testing.T, port int32) corev1.Container {
	t.Helper()
	p := readPlan(t, filepath.Join("testdata", "multi-node", "plan.yaml"))
	p.Port = port
	w, err := workload.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	return w.StatefulSets[0].Spec.Template.Spec.Containers[0]
}

func server(t *testing.T, status int) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s
}

func program(t *testing.T, dir, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
}
