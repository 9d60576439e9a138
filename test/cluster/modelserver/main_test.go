// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// instance is one running process of the stand-in, inside the test.
type instance struct {
	stop context.CancelFunc
	code <-chan int
	log  *bufio.Scanner
}

func launch(t *testing.T, env map[string]string, args ...string) *instance {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	code := make(chan int, 1)
	crash := make(chan int, 1)
	go func() {
		done := make(chan int, 1)
		go func() {
			done <- run(ctx, process{
				args: args, getenv: func(key string) string { return env[key] }, out: io.Discard, log: writer,
				exit: func(code int) { crash <- code },
			})
		}()
		var result int
		select {
		case result = <-done:
		case result = <-crash:
		}
		_ = writer.Close() // never fails for a pipe
		code <- result
	}()
	t.Cleanup(stop)
	return &instance{stop: stop, code: code, log: bufio.NewScanner(reader)}
}

// until reads the log up to a line that matches, and goes on reading behind the test's back.
func (i *instance) until(t *testing.T, pattern string) []string {
	t.Helper()
	wanted := regexp.MustCompile(pattern)
	for i.log.Scan() {
		if found := wanted.FindStringSubmatch(i.log.Text()); found != nil {
			return found
		}
	}
	t.Fatalf("the log ended without %q", pattern)
	return nil
}

func (i *instance) drain() {
	for i.log.Scan() {
		continue
	}
}

// url waits until the instance serves.
func (i *instance) url(t *testing.T) string {
	t.Helper()
	address := i.until(t, `startup complete" address=(\S+)`)[1]
	go i.drain()
	return "http://" + address
}

// port returns a port that was free a moment ago.
func port(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, number, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return number
}

func status(t *testing.T, url string) int {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}

// answers says whether anything listens there.
func answers(t *testing.T, url string) bool {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		return false
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return true
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		env  map[string]string
		args string
		code int
		says string
	}{
		"unknown argument": {nil, "org/m --foo", 2, "vllm serve: error: unrecognized arguments: --foo\n"},
		"refused at start": {nil, "org/m --nnodes 2", 1, "must be a multiple of --nnodes 2"},
		"wrong switch":     {map[string]string{"MODEL_SERVER_LOAD_DELAY": "x"}, "org/m", 1, "MODEL_SERVER_LOAD_DELAY"},
		"small cache":      {nil, "org/m --max-model-len 1k --num-gpu-blocks-override 2", 1, "larger than the number of tokens"},
		"help":             {nil, "--help", 0, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			code := run(t.Context(), process{
				args: strings.Fields(tc.args), getenv: func(key string) string { return tc.env[key] }, out: io.Discard, log: &log,
			})
			if code != tc.code || !strings.Contains(log.String(), tc.says) {
				t.Errorf("exit code %d, want %d; log:\n%s", code, tc.code, &log)
			}
		})
	}
}

// A request that runs when the process is asked to end is answered whole, and the process ends with 0.
func TestTerminationFinishesRunningRequests(t *testing.T) {
	t.Parallel()
	i := launch(t, nil, "serve", "org/m", "--host", "127.0.0.1", "--port", port(t), "--served-model-name", "m")
	url := i.url(t)
	answer, err := http.Post(url+"/v1/completions", "application/json",
		strings.NewReader(`{"model":"m","prompt":"x","stream":true,"max_tokens":50,"ignore_eos":true}`))
	if err != nil {
		t.Fatal(err)
	}
	i.stop() // the headers are here, so the request runs
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(body), `"text":" `); n != 50 || !strings.HasSuffix(string(body), "data: [DONE]\n\n") {
		t.Errorf("%d tokens, want 50 and the end; body:\n%s", n, body)
	}
	if code := <-i.code; code != 0 {
		t.Errorf("exit code %d", code)
	}
	if answers(t, url+"/health") {
		t.Error("still serving after the end")
	}
}

func TestTerminationWhileLoading(t *testing.T) {
	t.Parallel()
	free := port(t)
	i := launch(t, map[string]string{"MODEL_SERVER_LOAD_DELAY": "1h"}, "org/m", "--host", "127.0.0.1", "--port", free)
	i.until(t, "starting the model server")
	if answers(t, "http://127.0.0.1:"+free+"/health") {
		t.Error("serving while the model loads")
	}
	i.stop()
	go i.drain()
	if code := <-i.code; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestCrash(t *testing.T) {
	t.Parallel()
	i := launch(t, map[string]string{"MODEL_SERVER_CRASH_AFTER": "1ms"}, "org/m", "--host", "127.0.0.1", "--port", port(t))
	go i.drain()
	if code := <-i.code; code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}

func TestMultiNode(t *testing.T) {
	t.Parallel()
	meeting, serving := port(t), port(t)
	node := func(rank int, more ...string) *instance {
		args := []string{
			"org/m", "--host", "127.0.0.1", "--port", serving, "--nnodes", "3", "-pp", "3",
			"--node-rank", strconv.Itoa(rank), "--master-addr", "127.0.0.1", "--master-port", meeting,
		}
		return launch(t, nil, append(args, more...)...)
	}
	health := fmt.Sprintf("http://127.0.0.1:%s/health", serving)

	// Workers may come before the leader.
	second := node(2, "--headless")
	second.until(t, "waiting for the master")
	go second.drain()
	leader := node(0)
	leader.until(t, "waiting for the other nodes")

	// A worker with another pipeline size is refused, and does not count.
	wrong := node(1, "--headless", "-pp", "6")
	go wrong.drain()
	if code := <-wrong.code; code != 1 {
		t.Errorf("a worker with other arguments ended with %d, want 1", code)
	}
	if answers(t, health) {
		t.Error("serving without rank 1")
	}

	first := node(1, "--headless")
	go first.drain()
	leader.url(t)
	if got := status(t, health); got != http.StatusOK {
		t.Errorf("health with all ranks: %d", got)
	}

	// When one worker goes, the leader is unhealthy and the other worker ends with an error.
	first.stop()
	ends := []int{<-first.code, <-second.code}
	if diff := cmp.Diff([]int{0, 1}, ends); diff != "" {
		t.Errorf("exit codes of the worker that was asked to end, and of the other (-want +got):\n%s", diff)
	}
	if got := status(t, health); got != http.StatusServiceUnavailable {
		t.Errorf("health without rank 1: %d", got)
	}
	leader.stop()
	if code := <-leader.code; code != 0 {
		t.Errorf("exit code of the leader: %d", code)
	}
}
