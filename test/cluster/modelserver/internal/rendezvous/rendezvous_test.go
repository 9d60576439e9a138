// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rendezvous

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
)

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func member(rank int) Member {
	return Member{Rank: rank, Nodes: 3, Model: "org/m", TensorParallel: 4, PipelineParallel: 3}
}

// join starts a node; the channel gives what Join returned.
func join(t *testing.T, address string, me Member) (context.CancelFunc, <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Join(ctx, address, me, slog.New(slog.DiscardHandler)) }()
	return cancel, done
}

func pending(c <-chan struct{}) bool {
	select {
	case <-c:
		return false
	default:
		return true
	}
}

func TestCompleteOnlyWithAllRanks(t *testing.T) {
	t.Parallel()
	listener := listen(t, "127.0.0.1:0")
	address := listener.Addr().String()
	leader := Lead(listener, member(0))
	defer leader.Close()
	join(t, address, member(0))
	join(t, address, member(1))

	// A node with other arguments and one with a rank that does not exist are refused and do not count.
	other := member(2)
	other.TensorParallel = 8
	for _, wrong := range []Member{other, member(3), member(-1)} {
		_, done := join(t, address, wrong)
		if err := <-done; err == nil || !strings.Contains(err.Error(), "refuses") {
			t.Errorf("%+v: want a refusal, got %v", wrong, err)
		}
	}
	if !pending(leader.Complete()) {
		t.Fatal("complete without rank 2")
	}
	join(t, address, member(2))
	<-leader.Complete()
	_, done := join(t, address, member(2))
	if err := <-done; err == nil || !strings.Contains(err.Error(), "joined already") {
		t.Errorf("want a refusal of the second rank 2, got %v", err)
	}
	if err := leader.Err(); err != nil {
		t.Errorf("refusing somebody is no loss: %v", err)
	}
}

func TestLosingAWorkerEndsTheModel(t *testing.T) {
	t.Parallel()
	listener := listen(t, "127.0.0.1:0")
	address := listener.Addr().String()
	leader := Lead(listener, member(0))
	defer leader.Close()
	_, zero := join(t, address, member(0))
	_, one := join(t, address, member(1))
	kill, two := join(t, address, member(2))
	<-leader.Complete()
	kill()
	<-leader.Lost()
	if err := <-two; err != nil {
		t.Errorf("the node that was asked to end: %v", err)
	}
	if err := leader.Err(); err == nil || err.Error() != "rank 2 of 3 is lost" {
		t.Errorf("reason: %v", err)
	}
	for name, done := range map[string]<-chan error{"rank 0": zero, "rank 1": one} {
		if err := <-done; err == nil || !strings.Contains(err.Error(), "is gone") {
			t.Errorf("%s: want the master to be gone, got %v", name, err)
		}
	}
}

func TestWorkerMayLeaveAndComeBackBeforeItIsComplete(t *testing.T) {
	t.Parallel()
	listener := listen(t, "127.0.0.1:0")
	address := listener.Addr().String()
	leader := Lead(listener, member(0))
	defer leader.Close()
	kill, done := join(t, address, member(1))
	kill()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// The leader may notice a little later than the node; until then the rank counts as taken.
	for {
		_, again := join(t, address, member(1))
		join(t, address, member(0))
		join(t, address, member(2))
		select {
		case err := <-again:
			t.Log(err)
			continue
		case <-leader.Complete():
		}
		break
	}
	if err := leader.Err(); err != nil {
		t.Error(err)
	}
}

// Pods start in any order: the worker has to wait for a master that is not there yet.
func TestWorkerWaitsForTheMaster(t *testing.T) {
	t.Parallel()
	reserved := listen(t, "127.0.0.1:0")
	address := reserved.Addr().String()
	if err := reserved.Close(); err != nil {
		t.Fatal(err)
	}
	waits := make(chan struct{})
	log := slog.New(slog.NewTextHandler(&firstWrite{told: waits}, nil))
	done := make(chan error, 1)
	go func() { done <- Join(t.Context(), address, member(1), log) }()
	<-waits
	leader := Lead(listen(t, address), member(0))
	defer leader.Close()
	join(t, address, member(0))
	join(t, address, member(2))
	<-leader.Complete()
}

// firstWrite closes told when something was written.
type firstWrite struct{ told chan struct{} }

func (f *firstWrite) Write(p []byte) (int, error) {
	if f.told != nil {
		close(f.told)
		f.told = nil
	}
	return len(p), nil
}

func TestUnreachableMasterIsGivenUpOnlyOnRequest(t *testing.T) {
	t.Parallel()
	cancel, done := join(t, "127.0.0.1:1", member(1))
	cancel()
	if err := <-done; err != nil {
		t.Errorf("want no error after being asked to end, got %v", err)
	}
}
