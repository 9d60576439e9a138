// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package probe sends one request through a Gateway to see whether the Endpoint Picker is asked. An Endpoint Picker that
// is skipped leaves no trace in any status, and the answer is 200 all the same; one that is asked marks the response.
package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// mark is set by the Endpoint Picker on every response that goes through it (gateway-api-inference-extension v1.0 to
	// v1.5, pkg/epp/handlers/response.go).
	mark = "X-Went-Into-Resp-Headers"
	// path is answered by vLLM without any work, and has no body, so that the Endpoint Picker takes any pod.
	path = "/health"
	// A request that names its model in the body has to look like one of OpenAI's, or the Endpoint Picker refuses it. This
	// one vLLM refuses before any work, and the refusal comes back by the same way as an answer.
	bodyPath = "/v1/completions"
	noTokens = -1
	// Agent tells the request apart in the logs of gateways and pods.
	Agent = "workspace-operator-probe"

	timeout = 5 * time.Second
)

// Target is what to ask whom for.
type Target struct {
	// Scheme and Address are where to connect to; Host is the name to ask for, empty for the address.
	Scheme, Address, Host string
	// Model is named in the body of the request, for a router to read; without one there is no body.
	Model string
}

type completion struct {
	Model     string `json:"model"`
	Prompt    string `json:"prompt"`
	MaxTokens int    `json:"max_tokens"`
}

// Answer is what came back.
type Answer struct {
	// Asked says that the response came by way of the Endpoint Picker, Code is its HTTP status.
	Asked bool
	Code  int
}

// Client sends requests.
type Client struct {
	http *http.Client
}

// New returns a Client that connects anew for each request: the next one may have to be answered by another pod.
func New() *Client {
	return &Client{http: &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			// What is asked is which way a request goes, not who the gateway is: it may have a certificate for any name.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, //nolint:gosec // See above.
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Ask sends the request. An error means that nobody answered.
func (c *Client) Ask(ctx context.Context, t Target) (Answer, error) {
	request, err := t.request(ctx)
	if err != nil {
		return Answer{}, fmt.Errorf("asking %s: %w", t.Address, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		// The rest of url.Error is the request, which says nothing new.
		if problem, ok := errors.AsType[*url.Error](err); ok {
			err = problem.Err
		}
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16))
	return Answer{Asked: response.Header.Get(mark) != "", Code: response.StatusCode}, nil
}

func (t Target) request(ctx context.Context) (*http.Request, error) {
	where := url.URL{Scheme: t.Scheme, Host: t.Address, Path: path}
	method, body := http.MethodGet, []byte(nil)
	if t.Model != "" {
		where.Path, method = bodyPath, http.MethodPost
		var err error
		if body, err = json.Marshal(completion{Model: t.Model, Prompt: Agent, MaxTokens: noTokens}); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, where.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Host = t.Host
	request.Header.Set("User-Agent", Agent)
	if t.Model != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}
