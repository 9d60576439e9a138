// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command latency measures what a gateway and its Endpoint Picker add to a request: it sends the same chat completion of
// one token to a model's pod and through the gateway in turn, one at a time over one connection each, and compares the
// times until the whole answer is there. The last line is
//
//	added_p50_ms=… added_p99_ms=… direct_p50_ms=… direct_p99_ms=… gateway_p50_ms=… gateway_p99_ms=… requests=…
//
// where added is the difference of the percentiles.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"time"
)

const (
	path    = "/v1/chat/completions"
	timeout = 10 * time.Second
	// fewest leaves something above the 99th percentile.
	fewest = 100
)

type options struct {
	direct, gateway, model string
	requests, warmUp       int
}

func main() {
	var o options
	flag.StringVar(&o.direct, "direct", "", "URL of a pod of the model, such as http://10.244.1.7:5000")
	flag.StringVar(&o.gateway, "gateway", "", "URL of the gateway")
	flag.StringVar(&o.model, "model", "", "name of the model")
	flag.IntVar(&o.requests, "requests", 500, "requests each way")
	flag.IntVar(&o.warmUp, "warm-up", 50, "requests each way before that, which do not count")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "latency:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) error {
	if o.direct == "" || o.gateway == "" || o.model == "" {
		return errors.New("--direct, --gateway and --model are needed")
	}
	if o.requests < fewest {
		return fmt.Errorf("--requests %d: at least %d, or a 99th percentile means nothing", o.requests, fewest)
	}
	direct, err := newWay(o.direct, o.model)
	if err != nil {
		return err
	}
	gateway, err := newWay(o.gateway, o.model)
	if err != nil {
		return err
	}
	for i := range o.warmUp + o.requests {
		// In turn, so that whatever else this machine does meanwhile slows both.
		for _, w := range []*way{direct, gateway} {
			took, err := w.ask(ctx)
			if err != nil {
				return err
			}
			if i >= o.warmUp {
				w.times = append(w.times, took)
			}
		}
	}
	d50, d99, g50, g99 := direct.at(50), direct.at(99), gateway.at(50), gateway.at(99)
	_, err = fmt.Fprintf(out, "added_p50_ms=%.2f added_p99_ms=%.2f direct_p50_ms=%.2f direct_p99_ms=%.2f gateway_p50_ms=%.2f gateway_p99_ms=%.2f requests=%d\n",
		g50-d50, g99-d99, d50, d99, g50, g99, o.requests)
	return err
}

// way is one way to the model.
type way struct {
	url    string
	body   []byte
	client *http.Client
	times  []time.Duration
}

func newWay(url, model string) (*way, error) {
	body, err := json.Marshal(map[string]any{
		"model": model, "max_tokens": 1, "messages": []map[string]string{{"role": "user", "content": "What is Kubernetes?"}},
	})
	return &way{url: url + path, body: body, client: &http.Client{Timeout: timeout, Transport: &http.Transport{}}}, err
}

// ask sends one request and returns how long the whole answer took.
func (w *way) ask(ctx context.Context) (time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(w.body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	start := time.Now()
	response, err := w.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	took := time.Since(start)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", w.url, response.Status, text)
	}
	return took, err
}

// at is a percentile of the times, in milliseconds.
func (w *way) at(percent int) float64 {
	slices.Sort(w.times)
	return float64(w.times[(len(w.times)-1)*percent/100].Microseconds()) / 1000
}
