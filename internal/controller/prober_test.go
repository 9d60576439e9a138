// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/workspace-operator/workspace-operator/internal/probe"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// front is a Gateway whose answers change.
type front struct {
	mu     sync.Mutex
	answer probe.Answer
	err    error
	asked  int
}

func (f *front) ask(context.Context, probe.Target) (probe.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return f.answer, f.err
}

func (f *front) becomes(answer probe.Answer, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer, f.err = answer, err
}

// count is how often it was asked since the last count.
func (f *front) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.asked
	f.asked = 0
	return n
}

// moment is what is wanted some time after something was done.
type moment struct {
	name  string
	do    func()
	after time.Duration
	// state is what is asked about; empty if nobody wants to know.
	state string
	want  status.Proof
	// news is how often it was told, least and most how often it was asked.
	news, least, most int
}

// TestProber: what is asked when, and what is news. Only news costs a reconcile, and that a write at most.
func TestProber(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, p := &front{}, newProber()
		p.ask = f.ask
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Start(ctx) }()
		key := types.NamespacedName{Namespace: "models", Name: "phi"}
		become := func(answer probe.Answer, err error) func() { return func() { f.becomes(answer, err) } }
		picked, passed := become(probe.Answer{Asked: true, Code: 200}, nil), become(probe.Answer{Code: 200, Own: true}, nil)
		proved := status.Proof{Known: true, Asked: true}
		bypassed := status.Proof{Known: true, Gateway: "front", Code: 200, Own: true}
		silent := status.Proof{Known: true, Gateway: "front", Problem: "x: refused"}
		for _, m := range []moment{
			{"it is asked once", picked, time.Minute, "a", proved, 1, 1, 1},
			{"and seldom again", func() {}, time.Hour, "a", proved, 0, 5, 6},
			{"it is passed by", passed, 12 * time.Minute, "a", bypassed, 1, probeTries, 10},
			{"nothing is new", func() {}, time.Minute, "a", bypassed, 0, 0, 2},
			{"it is picked again", picked, probeInterval, "a", proved, 1, 1, 1},
			{"something changes", func() {}, time.Second / 2, "b", proved, 1, 1, 1},
			{"it cannot be reached", become(probe.Answer{}, errors.New("x: refused")), time.Hour, "b", silent, 1, 10, 30},
			{"nobody wants to know any more", func() { p.forget(key) }, time.Hour, "", status.Proof{}, 0, 0, 0},
		} {
			f.count()
			m.check(t, p, f, key)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (m moment) check(t *testing.T, p *prober, f *front, key types.NamespacedName) {
	t.Helper()
	gates := []gate{{name: "front"}}
	m.do()
	if m.state != "" {
		p.proof(key, m.state, gates)
	}
	<-time.NewTimer(m.after).C
	synctest.Wait()
	news := len(p.results)
	for range news {
		<-p.results
	}
	if asked := f.count(); asked < m.least || asked > m.most || news != m.news {
		t.Errorf("%s: asked %d times, want %d to %d; told %d times, want %d", m.name, asked, m.least, m.most, news, m.news)
	}
	if m.state == "" {
		return
	}
	if diff := cmp.Diff(m.want, p.proof(key, m.state, gates)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", m.name, diff)
	}
}

// TestEachGate: every Gateway is asked, and the first that has not the wanted answer is told of.
func TestEachGate(t *testing.T) {
	t.Parallel()
	answers := map[string]probe.Answer{
		"http://good": {Asked: true, Code: 200}, "http://open": {Code: 200, Own: true}, "http://other": {Asked: true, Code: 200, Stranger: true},
	}
	p := &prober{ask: func(_ context.Context, t probe.Target) (probe.Answer, error) {
		if answer, ok := answers[t.Doors[0].URL]; ok {
			return answer, nil
		}
		return probe.Answer{}, errors.New("nobody there")
	}}
	for name, c := range map[string]struct {
		gates []string
		want  status.Proof
	}{
		"both":       {[]string{"good", "good"}, status.Proof{Known: true, Asked: true}},
		"the second": {[]string{"good", "open"}, status.Proof{Known: true, Gateway: "open", Code: 200, Own: true}},
		"two":        {[]string{"other", "open"}, status.Proof{Known: true, Gateway: "other", Code: 200, Stranger: true}},
		"nobody":     {[]string{"good", "dead"}, status.Proof{Known: true, Gateway: "dead", Problem: "nobody there"}},
	} {
		var gates []gate
		for _, g := range c.gates {
			gates = append(gates, gate{name: g, target: probe.Target{Doors: []probe.Door{{URL: "http://" + g}}}})
		}
		if diff := cmp.Diff(c.want, p.find(t.Context(), gates)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
