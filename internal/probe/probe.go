// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package probe sends requests through a Gateway to see whether the Endpoint Picker is asked. An Endpoint Picker that
// is skipped leaves no trace in any status, and the answer is 200 all the same; one that is asked marks the response.
package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// mark is set by the Endpoint Picker on every response that goes through it (gateway-api-inference-extension v1.0 to
	// v1.5, pkg/epp/handlers/response.go). It says "true", and not which Endpoint Picker.
	mark = "X-Went-Into-Resp-Headers"
	// healthPath is answered by vLLM without any work, and has no body, so that the Endpoint Picker takes any pod.
	healthPath = "/health"
	// A request that names its model in the body has to look like one of OpenAI's, or the Endpoint Picker refuses it. This
	// one vLLM refuses before any work, and the refusal comes back by the same way as an answer. Other servers, of templates,
	// generate nothing for it; a negative number some take for no limit at all.
	bodyPath = "/v1/completions"
	noTokens = 0
	// Agent tells the request apart in the logs of gateways and pods.
	Agent = "workspace-operator-probe"

	timeout = 5 * time.Second
	maxBody = 1 << 18
)

// Target is what to ask whom for.
type Target struct {
	// Doors are the ways in, of which the first that answers counts.
	Doors []Door
	// Model is the name of the model that is to answer; empty if it is not known. It goes into the body of the request: as a
	// header it would hide that nobody reads bodies, and a gateway may fail with bodies alone.
	Model string
}

// Door is one address of a Gateway.
type Door struct {
	// URL is what clients call, without a path: its name goes into the TLS handshake and the Host header, as theirs does.
	URL string
	// Address is where to connect to, host and port.
	Address string
}

// Answer is what came back.
type Answer struct {
	// Asked says that the response came by way of an Endpoint Picker, Code is its HTTP status.
	Asked bool
	Code  int
	// Own says that it can only be the answer of a model's server, Stranger that it is one of another model.
	Own, Stranger bool
}

type completion struct {
	Model     string `json:"model"`
	Prompt    string `json:"prompt"`
	MaxTokens int    `json:"max_tokens"`
}

// Ask sends the request. An error means that nobody answered, and says why in words that are the same each time.
func Ask(ctx context.Context, t Target) (Answer, error) {
	var problems []string
	for _, door := range t.Doors {
		answer, err := t.askAt(ctx, door)
		if err == nil {
			return answer, nil
		}
		problems = append(problems, door.Address+": "+cause(err))
	}
	return Answer{}, errors.New(strings.Join(problems, "; "))
}

func (t Target) askAt(ctx context.Context, door Door) (Answer, error) {
	if t.Model != "" {
		text, err := json.Marshal(completion{Model: t.Model, Prompt: Agent, MaxTokens: noTokens})
		if err != nil {
			return Answer{}, err
		}
		r, err := door.send(ctx, http.MethodPost, bodyPath, text)
		return Answer{
			Asked: r.marked, Code: r.code,
			Own:      r.code == http.StatusBadRequest && r.isFailure(),
			Stranger: r.code == http.StatusNotFound && r.isFailure(),
		}, err
	}
	r, err := door.send(ctx, http.MethodGet, healthPath, nil)
	return Answer{Asked: r.marked, Code: r.code, Own: r.code == http.StatusOK}, err
}

// response is as much of one as is judged.
type response struct {
	marked bool
	code   int
	text   []byte
}

// isFailure says that it is in the form of OpenAI's API, as vLLM writes it; older ones without an object of its own.
func (r response) isFailure() bool {
	var said struct {
		Object string `json:"object"`
		Error  struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	return json.Unmarshal(r.text, &said) == nil && (said.Object == "error" || said.Error.Message != "")
}

// send connects anew for each request: the next one may have to be answered by another pod.
func (d Door) send(ctx context.Context, method, path string, text []byte) (response, error) {
	request, err := http.NewRequestWithContext(ctx, method, d.URL+path, bytes.NewReader(text))
	if err != nil {
		return response{}, err
	}
	request.Header.Set("User-Agent", Agent)
	if text != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	client := &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			// Names need not be in the DNS that the operator asks. Whom to ask for, in TLS too, stays what the URL says: gateways
			// choose by it among their listeners.
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, d.Address)
			},
			// What is asked is which way a request goes, not who the gateway is: it may have a certificate for any name.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, //nolint:gosec // See above.
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	// What is cut off is judged as what it then is: no answer of a model's.
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	return response{marked: answer.Header.Get(mark) != "", code: answer.StatusCode, text: body}, nil
}

// cause is what lies at the bottom of an error. What lies above has the port that we called from, or the server that was
// asked for a name, which are others each time.
func cause(err error) string {
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
		return "no answer within " + timeout.String()
	}
	if unknown, ok := errors.AsType[*net.DNSError](err); ok {
		if unknown.IsNotFound {
			return "no such host"
		}
		return "its name cannot be looked up"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}
