// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/onsi/gomega"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// servedBy is the header in which the model server stand-in names its pod.
const servedBy = "X-Served-By"

// answer is what a server said.
type answer struct {
	code   int
	header http.Header
	body   []byte
}

// ask sends a request to a Service's port, by number or name, through the API server. No body makes it a GET.
func (s *scene) ask(service, port, path string, body any) (answer, error) {
	url := fmt.Sprintf("%s/api/v1/namespaces/%s/services/%s:%s/proxy%s", s.cluster.config.Host, s.namespace, service, port, path)
	method, content := http.MethodGet, []byte(nil)
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return answer{}, err
		}
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(s.ctx, method, url, bytes.NewReader(content))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	if response.StatusCode != http.StatusOK {
		return answer{}, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	}
	return answer{code: response.StatusCode, header: response.Header, body: text}, nil
}

// chat asks a model through its Workspace's Service and returns the pod that answered.
func (s *scene) chat(workspace, model string) string {
	s.t.Helper()
	a, err := s.ask(workspace, "80", "/v1/chat/completions", chatRequest(model))
	s.Expect(err).NotTo(gomega.HaveOccurred())
	var completion struct {
		Object, Model string
		Choices       []struct {
			Message struct{ Role, Content string }
		}
	}
	s.Expect(json.Unmarshal(a.body, &completion)).To(gomega.Succeed())
	s.Expect(completion.Object).To(gomega.Equal("chat.completion"))
	s.Expect(completion.Model).To(gomega.Equal(model))
	s.Expect(completion.Choices).To(gomega.HaveLen(1))
	s.Expect(completion.Choices[0].Message.Content).NotTo(gomega.BeEmpty())
	return a.header.Get(servedBy)
}

func chatRequest(model string) map[string]any {
	return map[string]any{
		"model": model, "max_tokens": 8,
		"messages": []map[string]string{{"role": "user", "content": "What is Kubernetes?"}},
	}
}

// answering asks often enough to meet every pod that a Service leads to, and returns their names.
func (s *scene) answering(workspace, model string) map[string]bool {
	s.t.Helper()
	pods := map[string]bool{}
	for range 40 {
		pods[s.chat(workspace, model)] = true
	}
	return pods
}

// models are the names that the endpoint lists.
func (s *scene) models(workspace string) []string {
	s.t.Helper()
	a, err := s.ask(workspace, "80", "/v1/models", nil)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	var list struct{ Data []struct{ ID string } }
	s.Expect(json.Unmarshal(a.body, &list)).To(gomega.Succeed())
	var ids []string
	for _, model := range list.Data {
		ids = append(ids, model.ID)
	}
	return ids
}

// endpoints waits until the Endpoint Picker counts so many pods that can serve.
func (s *scene) endpoints(ws *v1beta1.Workspace, want int) {
	s.t.Helper()
	s.until(func() error {
		a, err := s.ask(ws.Status.InferencePool.EPPService, "http-metrics", "/metrics", nil)
		if err != nil {
			return err
		}
		have, err := metric(a.body, "inference_pool_ready_pods")
		if err != nil {
			return err
		}
		if have != float64(want) {
			return fmt.Errorf("inference_pool_ready_pods is %v, want %d", have, want)
		}
		return nil
	})
}

// metric is the sum of all series of a name.
func metric(text []byte, name string) (float64, error) {
	sum, found := 0.0, false
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		series, value, _ := strings.Cut(lines.Text(), " ")
		if base, _, _ := strings.Cut(series, "{"); base != name {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		sum, found = sum+number, true
	}
	if !found {
		return 0, fmt.Errorf("no metric %s", name)
	}
	return sum, lines.Err()
}
