// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/onsi/gomega"
)

const (
	// paceHeader makes the model server stand-in wait between two tokens of its answer.
	paceHeader = "X-Stand-In-Token-Latency"

	eventPrefix = "data: "
)

// stopwatch keeps what is written to it, and when each event of a streamed answer came.
type stopwatch struct {
	began time.Time
	text  bytes.Buffer
	came  []time.Duration
}

// Write implements io.Writer.
func (w *stopwatch) Write(p []byte) (int, error) {
	for range bytes.Count(p, []byte(eventPrefix)) {
		w.came = append(w.came, time.Since(w.began))
	}
	return w.text.Write(p)
}

func (w *stopwatch) events() []string {
	var events []string
	for line := range strings.Lines(w.text.String()) {
		if event, ok := strings.CutPrefix(strings.TrimSpace(line), eventPrefix); ok {
			events = append(events, event)
		}
	}
	return events
}

// inPieces complains of an answer that somebody on the way held back. Its events are made at a steady pace, so the first
// token is there early, and half of all after half of the time; both may come later by a quarter of the time.
func (w *stopwatch) inPieces() error {
	const firstToken = 1 // The event before it says who speaks.
	if len(w.came) <= firstToken {
		return errors.New("there is no token")
	}
	end := w.came[len(w.came)-1]
	first, half := w.came[firstToken], w.came[len(w.came)/2]
	if first > end/4 || half > end*3/4 {
		return fmt.Errorf("of %d events the first token came after %v, half of all after %v, the last after %v", len(w.came), first, half, end)
	}
	return nil
}

// streams asks for a streamed answer that takes longer than any part of the way lets a request take by itself: Envoy ends
// them after 15 seconds. It must come token by token, and whole.
func (s *gatewayScene) streams(model string) {
	s.t.Helper()
	const tokens, least = 24, 20 * time.Second
	body := chatRequest(model)
	body["stream"], body["max_tokens"], body["ignore_eos"] = true, tokens, true
	watch := &stopwatch{began: time.Now()}
	request, err := s.request("http://"+s.address+"/v1/chat/completions", body, paceHeader, "1s")
	s.Expect(err).NotTo(gomega.HaveOccurred())
	response, err := http.DefaultClient.Do(request)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	s.Expect(response.Header.Get("Content-Type")).To(gomega.HavePrefix("text/event-stream"))
	s.Expect(response.Header.Get(pickerMark)).NotTo(gomega.BeEmpty(), "the endpoint picker was not asked")
	_, err = io.Copy(watch, response.Body)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	// One says who speaks, one why it ends, one that it does; the others are tokens.
	events := watch.events()
	s.Expect(events).To(gomega.HaveLen(tokens + 3))
	s.Expect(events[len(events)-1]).To(gomega.Equal("[DONE]"))
	s.Expect(watch.inPieces()).To(gomega.Succeed())
	s.Expect(watch.came[len(watch.came)-1]).To(gomega.BeNumerically(">", least))
}
