// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"
)

func TestAt(t *testing.T) {
	t.Parallel()
	w := &way{}
	for i := 100; i > 0; i-- {
		w.times = append(w.times, time.Duration(i)*time.Millisecond)
	}
	if p50, p99 := w.at(50), w.at(99); p50 != 50 || p99 != 99 {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	handler := func(name string, code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			seen[name]++
			w.WriteHeader(code)
		})
	}
	direct, gateway := httptest.NewServer(handler("direct", 200)), httptest.NewServer(handler("gateway", 200))
	refusing := httptest.NewServer(handler("refusing", 503))
	defer direct.Close()
	defer gateway.Close()
	defer refusing.Close()
	var out bytes.Buffer
	o := options{direct: direct.URL, gateway: gateway.URL, model: "phi", requests: 100, warmUp: 5}
	if err := run(t.Context(), o, &out); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^added_p50_ms=-?\d+\.\d+ added_p99_ms=.* requests=100\n$`).Match(out.Bytes()) {
		t.Errorf("printed %s", out.String())
	}
	if seen["direct"] != 105 || seen["gateway"] != 105 {
		t.Errorf("sent %v", seen)
	}
	for what, bad := range map[string]options{
		"a refusal":    {direct: direct.URL, gateway: refusing.URL, model: "phi", requests: 100},
		"too few":      {direct: direct.URL, gateway: gateway.URL, model: "phi", requests: 10},
		"nobody named": {requests: 100},
	} {
		if err := run(t.Context(), bad, &out); err == nil {
			t.Errorf("%s is no error", what)
		}
	}
}
