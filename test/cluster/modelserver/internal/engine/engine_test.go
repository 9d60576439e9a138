// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// start runs an engine in a bubble of its own time; it stops at the end of the test.
func start(t *testing.T, config Config) *Engine {
	t.Helper()
	e := New(config)
	ctx, stop := context.WithCancel(t.Context())
	go e.Run(ctx)
	t.Cleanup(stop)
	return e
}

func config() Config {
	return Config{Slots: 2, Blocks: 100, BlockSize: 16, Adapters: 1, TokenLatency: time.Millisecond}
}

func request(tokens int) Request { return Request{Prompt: "hello", MaxTokens: tokens, Endless: true} }

func read(s *Sequence) int {
	n := 0
	for range s.Tokens(context.Background()) {
		n++
	}
	return n
}

// after lets d pass and everything that happens in it.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func queue(l Load) [2]int { return [2]int{l.Running, l.Waiting} }

func TestQueueIsFirstInFirstOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, config())
		var all []*Sequence
		for _, tokens := range []int{10, 20, 30, 40} {
			all = append(all, e.Submit(request(tokens)))
		}
		var got [][2]int
		for range 5 {
			synctest.Wait()
			got = append(got, queue(e.Load()))
			after(10*time.Millisecond + 500*time.Microsecond)
		}
		// 10 and 20 run; at 10 ms the third takes the place of the first, at 20 ms the fourth that of the second.
		if diff := cmp.Diff([][2]int{{2, 2}, {2, 1}, {2, 0}, {2, 0}, {1, 0}}, got); diff != "" {
			t.Errorf("running and waiting every 10.5 ms (-want +got):\n%s", diff)
		}
		for i, want := range []int{10, 20, 30, 40} {
			if n := read(all[i]); n != want {
				t.Errorf("request %d has %d tokens, want %d", i, n, want)
			}
		}
		if diff := cmp.Diff(Load{Totals: Totals{PromptTokens: 8, GeneratedTokens: 100}}, e.Load(), cmpopts.IgnoreFields(Adapters{}, "Changed")); diff != "" {
			t.Errorf("load at the end (-want +got):\n%s", diff)
		}
	})
}

func TestCacheFillsAndEmpties(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := config()
		c.Blocks = 10
		e := start(t, c)
		s := e.Submit(Request{Prompt: strings.Repeat("word", 32), MaxTokens: 48, Endless: true})
		synctest.Wait()
		var got []float64
		for range 4 {
			got = append(got, e.Load().CacheUse)
			after(16*time.Millisecond + 100*time.Microsecond)
		}
		if diff := cmp.Diff([]float64{0.2, 0.3, 0.4, 0}, got); diff != "" {
			t.Errorf("cache use every 16 tokens (-want +got):\n%s", diff)
		}
		if n := read(s); n != 48 {
			t.Errorf("%d tokens, want 48", n)
		}
	})
}

// Two requests of five blocks each in a cache of eight: the later one has to give way and still ends complete.
func TestFullCachePreemptsTheLatest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := config()
		c.Blocks = 8
		e := start(t, c)
		first, second := e.Submit(request(78)), e.Submit(request(78))
		after(70 * time.Millisecond)
		if diff := cmp.Diff([2]int{1, 1}, queue(e.Load())); diff != "" {
			t.Errorf("running and waiting when the cache is full (-want +got):\n%s", diff)
		}
		after(100 * time.Millisecond)
		if got := e.Load().Totals.Preemptions; got != 1 {
			t.Errorf("%d preemptions, want 1", got)
		}
		if diff := cmp.Diff([]int{78, 78}, []int{read(first), read(second)}); diff != "" {
			t.Errorf("tokens (-want +got):\n%s", diff)
		}
		if use := e.Load().CacheUse; use != 0 {
			t.Errorf("cache use at the end is %v", use)
		}
	})
}

// A slow answer begins at once and holds nobody up.
func TestPaceSlowsOneAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var outcomes []Outcome
		c := config()
		c.Finished = func(o Outcome) { outcomes = append(outcomes, o) }
		e := start(t, c)
		slow := request(5)
		slow.Pace = 100 * time.Millisecond
		e.Submit(slow)
		e.Submit(request(20))
		after(time.Second)
		want := []Outcome{
			{Reason: TooLong, PromptTokens: 2, GeneratedTokens: 20, FirstToken: time.Millisecond, Total: 20 * time.Millisecond},
			{Reason: TooLong, PromptTokens: 2, GeneratedTokens: 5, FirstToken: time.Millisecond, Total: 401 * time.Millisecond},
		}
		if diff := cmp.Diff(want, outcomes); diff != "" {
			t.Errorf("the fast answer and the slow one (-want +got):\n%s", diff)
		}
	})
}

func TestFinishFreesTheSlotAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var outcomes []Outcome
		c := config()
		c.Slots = 1
		c.Finished = func(o Outcome) { outcomes = append(outcomes, o) }
		e := start(t, c)
		gone, waits, next := e.Submit(request(1000)), e.Submit(request(1000)), e.Submit(request(5))
		after(3500 * time.Microsecond)
		gone.Finish(Aborted)
		waits.Finish(Aborted)
		after(10 * time.Millisecond)
		if reason := next.Finish(Aborted); reason != TooLong {
			t.Errorf("the third request ended with %q", reason)
		}
		want := []Outcome{
			{Reason: Aborted, PromptTokens: 2, GeneratedTokens: 3, FirstToken: ms(1), Total: 3500 * time.Microsecond},
			{Reason: Aborted, PromptTokens: 2, Total: 3500 * time.Microsecond},
			{Reason: TooLong, PromptTokens: 2, GeneratedTokens: 5, Queue: ms(4), FirstToken: ms(5), Total: ms(9)},
		}
		if diff := cmp.Diff(want, outcomes); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func TestAdaptersTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := config()
		c.Slots = 3
		e := start(t, c)
		for _, adapter := range []string{"a", "b", "", "a"} {
			r := request(10)
			r.Adapter = adapter
			e.Submit(r)
		}
		synctest.Wait()
		before := e.Load().Adapters
		after(12 * time.Millisecond)
		now := e.Load().Adapters
		want := []Adapters{{Running: "a", Waiting: "b"}, {Running: "b"}}
		if diff := cmp.Diff(want, []Adapters{before, now}, cmpopts.IgnoreFields(Adapters{}, "Changed")); diff != "" {
			t.Errorf("adapters (-want +got):\n%s", diff)
		}
		if !now.Changed.After(before.Changed) {
			t.Error("the time of the change did not move on")
		}
	})
}

func TestPrefixCacheSavesTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var outcomes []Outcome
		c := config()
		c.PrefillLatency, c.PrefixCaching = time.Millisecond, true
		c.Finished = func(o Outcome) { outcomes = append(outcomes, o) }
		e := start(t, c)
		prompt := strings.Repeat("word", 40) // two full blocks and eight tokens
		for range 2 {
			e.Submit(Request{Prompt: prompt, MaxTokens: 1})
			after(time.Second)
		}
		e.Submit(Request{Prompt: prompt, MaxTokens: 1, Adapter: "a"})
		after(time.Second)
		var got []time.Duration
		for _, o := range outcomes {
			got = append(got, o.FirstToken)
		}
		if diff := cmp.Diff([]time.Duration{ms(41), ms(9), ms(41)}, got); diff != "" {
			t.Errorf("time to first token (-want +got):\n%s", diff)
		}
		if totals := e.Load().Totals; totals.PrefixQueries != 120 || totals.PrefixHits != 32 {
			t.Errorf("queries and hits: %d, %d", totals.PrefixQueries, totals.PrefixHits)
		}
	})
}

func TestStopAbortsWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := New(config())
		ctx, stop := context.WithCancel(t.Context())
		go e.Run(ctx)
		running := e.Submit(request(1000))
		after(ms(5))
		stop()
		read(running) // returns
		late := e.Submit(request(1))
		if n := read(late); n != 0 {
			t.Errorf("%d tokens from a stopped engine", n)
		}
		if a, b := running.Finish(Stopped), late.Finish(Stopped); a != Aborted || b != Aborted {
			t.Errorf("reasons %q and %q, want abort", a, b)
		}
	})
}

func TestAnswerEndsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, config())
		natural := e.Submit(Request{Prompt: "hello", MaxTokens: 1000})
		longer := e.Submit(Request{Prompt: "hello", MaxTokens: 1000, MinTokens: 200})
		if n := read(natural); n < 16 || n > 64 || natural.Finish(Aborted) != Stopped {
			t.Errorf("%d tokens, %s", n, natural.Finish(Aborted))
		}
		if n := read(longer); n != 200 || longer.Finish(Aborted) != Stopped {
			t.Errorf("%d tokens, want 200", n)
		}
	})
}
