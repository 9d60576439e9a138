// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// TestGatewayTraffic is about which pod answers, one model at each Gateway, failure mode FailOpen.
func TestGatewayTraffic(t *testing.T) { //nolint:tparallel // one operator at a time works in a cluster
	needsGateways(t, shared)
	shared.startOperator(t, pathBased)
	for name, test := range map[string]func(*testing.T){
		"Picks":     testPicks,
		"MultiNode": testOnlyLeader,
		"FailOpen":  testFailOpen,
		"CORS":      testCORS,
		"PoolFirst": testPoolFirst,
		"HTTPS":     testHTTPS,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// testPicks: with one of two pods under load, at least 95 % of 200 requests go to the other.
func testPicks(t *testing.T) {
	const requests, least = 200, 190
	s := newGatewayScene(t, shared)
	s.config("max-num-seqs: 2\n  max-model-len: 16384\n  num-gpu-blocks-override: 2000")
	s.workspace("phi", offered(gatewayName), twoReplicas, func(ws *v1beta1.Workspace) { ws.Inference.Config = settings })
	s.endpoints(s.routed("phi"), 2)
	pods := s.modelPods("phi")
	s.Expect(pods).To(gomega.HaveLen(2))
	busy, idle := pods[0], pods[1]
	s.occupy(busy)
	served := map[string]int{}
	for i := range requests {
		pod, err := s.askFor(5*time.Second, i)
		if err != nil {
			// It waits in a queue, and there is one only at the busy pod.
			pod = err.Error()
		}
		served[pod]++
	}
	t.Logf("of %d requests: %v; busy was %s", requests, served, busy.Name)
	waiting, kv := s.pressure(busy)
	s.Expect(waiting).To(gomega.BeNumerically(">", 0), "the busy pod was not busy to the end (KV cache %.2f)", kv)
	s.Expect(served[idle.Name]).To(gomega.BeNumerically(">=", least))
}

// askFor is askOnce for who does not wait longer.
func (s *gatewayScene) askFor(limit time.Duration, number int) (string, error) {
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	return s.askOnce(ctx, phi, fmt.Sprintf("%d is my number. What is yours?", number))
}

// occupy fills queue and KV cache of a pod by long requests that go past the Gateway, until the test ends.
func (s *scene) occupy(pod corev1.Pod) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	var all sync.WaitGroup
	s.t.Cleanup(func() {
		cancel()
		all.Wait()
	})
	for i := range 40 {
		body, err := json.Marshal(map[string]any{
			"model": phi, "max_tokens": 6000, "ignore_eos": true,
			"prompt": fmt.Sprintf("%d. ", i) + strings.Repeat("tell me more ", 2700),
		})
		s.Expect(err).NotTo(gomega.HaveOccurred())
		all.Go(func() {
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, serverOf(pod)+"/v1/completions", bytes.NewReader(body))
			if err != nil {
				return
			}
			request.Header.Set("Content-Type", "application/json")
			if response, err := http.DefaultClient.Do(request); err == nil {
				_ = response.Body.Close()
			}
		})
	}
	s.until(func() error {
		if waiting, kv := s.pressure(pod); waiting < 20 || kv < 0.5 {
			return fmt.Errorf("%v requests wait, KV cache %.2f", waiting, kv)
		}
		return nil
	})
}

func serverOf(pod corev1.Pod) string { return "http://" + pod.Status.PodIP + ":5000" }

// pressure is how many requests wait at a pod, and how full its KV cache is.
func (s *scene) pressure(pod corev1.Pod) (float64, float64) {
	s.t.Helper()
	a, err := s.call(serverOf(pod)+"/metrics", nil)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	waiting, err := metric(a.body, "vllm:num_requests_waiting")
	s.Expect(err).NotTo(gomega.HaveOccurred())
	kv, err := metric(a.body, "vllm:kv_cache_usage_perc")
	s.Expect(err).NotTo(gomega.HaveOccurred())
	return waiting, kv
}

// testOnlyLeader: the workers of a model over several nodes are Ready, but only the first pod answers.
func testOnlyLeader(t *testing.T) {
	s := newGatewayScene(t, shared)
	s.token()
	s.workspace("llama", twoNodes, offered(gatewayName))
	s.routed("llama")
	pods := s.modelPods("llama")
	s.Expect(names(pods)).To(gomega.ConsistOf("llama-0", "llama-1"))
	for range 60 {
		s.Expect(s.chatThrough(llama)).To(gomega.Equal("llama-0"))
	}
}

// testCORS: a user's own route to the pool has a filter with which Istio asks no Endpoint Picker.
func testCORS(t *testing.T) {
	s := newGatewayScene(t, shared)
	s.workspace("phi", offered(gatewayName))
	ws := s.routed("phi")
	theirs := &gatewayv1.HTTPRoute{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: gatewayv1.HTTPRouteSpec{
			CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{{Name: gatewayName}}},
			Rules: []gatewayv1.HTTPRouteRule{{
				Matches: []gatewayv1.HTTPRouteMatch{{Path: &gatewayv1.HTTPPathMatch{Type: new(gatewayv1.PathMatchExact), Value: new("/health")}}},
				Filters: []gatewayv1.HTTPRouteFilter{{Type: gatewayv1.HTTPRouteFilterCORS, CORS: &gatewayv1.HTTPCORSFilter{
					AllowOrigins: []gatewayv1.CORSOrigin{"https://example.com"},
				}}},
				BackendRefs: toPool(ws),
			}},
		},
	}
	s.create(theirs)
	s.expect("phi", "RouteReady=False EndpointPickerBypassed: HTTPRoute "+s.namespace+"/web has a CORS filter", "Ready=False EndpointPickerBypassed")
	// What the condition says is so: the answer is there, and nobody was asked.
	s.until(func() error {
		a, err := s.through("/health", nil, "Origin", "https://example.com")
		switch {
		case err != nil:
			return err
		case a.code != http.StatusOK || a.header.Get("Access-Control-Allow-Origin") == "":
			return fmt.Errorf("the route is not there yet: %d", a.code)
		case a.header.Get(pickerMark) != "":
			return errors.New("the endpoint picker was asked")
		}
		return nil
	})
	s.Expect(s.Delete(s.ctx, theirs)).To(gomega.Succeed())
	s.routed("phi")
}

// pickerMark is what an Endpoint Picker leaves on the responses to requests that it was asked about.
const pickerMark = "X-Went-Into-Resp-Headers"
