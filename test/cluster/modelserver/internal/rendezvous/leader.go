// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rendezvous

import (
	"fmt"
	"net"
	"sync"
)

// Leader is rank 0: it waits for all ranks, and is lost when one of them leaves after that.
type Leader struct {
	listener net.Listener
	want     Member
	complete chan struct{}
	lost     chan struct{}

	mu     sync.Mutex
	joined map[int]*link
	whole  bool
	reason error
}

// Lead accepts nodes on the listener until Close, or until one is lost.
func Lead(listener net.Listener, want Member) *Leader {
	l := &Leader{
		listener: listener, want: want, joined: map[int]*link{},
		complete: make(chan struct{}), lost: make(chan struct{}),
	}
	go l.accept()
	return l
}

// Complete is closed when all ranks have joined.
func (l *Leader) Complete() <-chan struct{} { return l.complete }

// Lost is closed when a rank left although the model was complete; Err says which one.
func (l *Leader) Lost() <-chan struct{} { return l.lost }

// Err returns why the model is not whole any more, or nil.
func (l *Leader) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reason
}

// Close sends all nodes away.
func (l *Leader) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close()
}

func (l *Leader) close() {
	_ = l.listener.Close() // also closed when a rank was lost before
	for _, member := range l.joined {
		_ = member.Close() // its own reader reports
	}
}

func (l *Leader) accept() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.serve(newLink(conn))
	}
}

func (l *Leader) serve(node *link) {
	defer func() { _ = node.Close() }()
	var m Member
	if err := node.receive(&m); err != nil {
		return
	}
	if err := l.enter(m, node); err != nil {
		_ = node.send(answer{Refusal: err.Error()}) // a node that is gone needs no answer
		return
	}
	defer l.leave(m.Rank)
	if err := node.send(answer{}); err != nil {
		return
	}
	_ = node.hold() // how it ended does not matter: the rank is gone
}

func (l *Leader) enter(m Member, node *link) error {
	if err := l.want.refuse(m); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, taken := l.joined[m.Rank]; taken {
		return fmt.Errorf("rank %d has joined already", m.Rank)
	}
	l.joined[m.Rank] = node
	if len(l.joined) == l.want.Nodes && !l.whole {
		l.whole = true
		close(l.complete)
	}
	return nil
}

func (l *Leader) leave(rank int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.joined, rank)
	if !l.whole || l.reason != nil {
		return
	}
	l.reason = fmt.Errorf("rank %d of %d is lost", rank, l.want.Nodes)
	close(l.lost)
	// Real workers cannot go on without the others, and must start again together with rank 0.
	l.close()
}
