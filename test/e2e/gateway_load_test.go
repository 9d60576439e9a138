// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/onsi/gomega"
)

const (
	// loadPause is between two requests of a load: 25 in a second, however long they take.
	loadPause = 40 * time.Millisecond
	// leastRate is what a load must have come to, in requests a second, to prove anything.
	leastRate = 20
)

// load is requests through a Gateway at a constant rate, for as long as a test wants.
type load struct {
	scene   *gatewayScene
	model   string
	stop    context.CancelFunc
	stopped sync.WaitGroup
	began   time.Time

	mu       sync.Mutex
	sent     int
	answered map[string]int
	failed   []string
}

// load sends requests for a model until it is ended.
func (s *gatewayScene) load(model string) *load {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.ctx)
	l := &load{scene: s, model: model, stop: stop, began: time.Now(), answered: map[string]int{}}
	s.t.Cleanup(func() {
		stop()
		l.stopped.Wait()
	})
	l.stopped.Go(func() { l.run(ctx) })
	l.more(20)
	return l
}

// run sends what is due. A ticker drops what a busy machine does not take in time; that is made up for.
func (l *load) run(ctx context.Context) {
	tick := time.NewTicker(loadPause)
	defer tick.Stop()
	for due := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for ; due < int(time.Since(l.began)/loadPause); due++ {
				// The last ones are answered, too.
				l.stopped.Go(func() { l.request(context.WithoutCancel(ctx)) })
			}
		}
	}
}

// request asks something that nobody asked before, so that no pod has it in its cache.
func (l *load) request(ctx context.Context) {
	l.mu.Lock()
	l.sent++
	number := l.sent
	l.mu.Unlock()
	pod, err := l.scene.askOnce(ctx, l.model, fmt.Sprintf("%d is my number. What is yours?", number))
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed = append(l.failed, fmt.Sprintf("request %d after %.1f s: %v", number, time.Since(l.began).Seconds(), err))
		return
	}
	l.answered[pod]++
}

// askOnce sends one request through the Gateway and returns the pod that answered it.
func (s *gatewayScene) askOnce(ctx context.Context, model, question string) (string, error) {
	body := chatRequest(model)
	body["messages"] = []map[string]string{{"role": "user", "content": question}}
	content, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+"/v1/chat/completions", bytes.NewReader(content))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return "", err
	case response.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s: %s", response.Status, text)
	default:
		return response.Header.Get(servedBy), nil
	}
}

func (l *load) count() (int, []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	answered := 0
	for _, n := range l.answered {
		answered += n
	}
	return answered, l.failed
}

// more waits until so many requests more are answered, and fails the test if one ever was not.
func (l *load) more(count int) {
	l.scene.t.Helper()
	before, _ := l.count()
	l.scene.until(func() error {
		answered, failed := l.count()
		l.scene.Expect(failed).To(gomega.BeEmpty(), "requests that failed, beside %d that did not", answered)
		if answered < before+count {
			return fmt.Errorf("%d of %d requests are answered", answered-before, count)
		}
		return nil
	})
}

// during makes a change while requests come in, none of which may fail, and at the full rate.
func (l *load) during(what string, change func()) {
	l.scene.t.Helper()
	before, _ := l.count()
	began := time.Now()
	change()
	l.more(40)
	after, _ := l.count()
	took := time.Since(began).Seconds()
	rate := float64(after-before) / took
	l.scene.t.Logf("%s: %d requests in %.1f s, none failed", what, after-before, took)
	l.scene.Expect(rate).To(gomega.BeNumerically(">=", leastRate), "%s: the load was too small to prove anything", what)
}

// end waits for the last answers and says how many requests were answered without a failure.
func (l *load) end() {
	l.scene.t.Helper()
	l.more(20)
	l.stop()
	l.stopped.Wait()
	answered, failed := l.count()
	l.scene.Expect(failed).To(gomega.BeEmpty())
	l.scene.t.Logf("%d requests, none failed; answered by %v", answered, l.answered)
}
