// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rendezvous brings the nodes of one model together, over TCP as torch.distributed does: rank 0 listens on the
// master port, and all ranks, rank 0 too, connect to the master address. So a wrong address, a missing DNS record, a
// wrong rank or different arguments end in a model that never gets ready, as with vLLM.
package rendezvous

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// Member is what a node says about itself; all but the rank must be the same on all nodes.
type Member struct {
	Rank             int    `json:"rank"`
	Nodes            int    `json:"nodes"`
	Model            string `json:"model"`
	TensorParallel   int    `json:"tensorParallel"`
	PipelineParallel int    `json:"pipelineParallel"`
}

// The two ends send something every beat, and take silence for death: a node that lost power closes no connection.
const (
	beat    = time.Second
	silence = 10 * time.Second
)

// answer is what the leader says to a node that wants to join; no refusal means welcome.
type answer struct {
	Refusal string `json:"refusal,omitempty"`
}

// link is a connection that carries lines of JSON.
type link struct {
	net.Conn
	lines *bufio.Reader
}

func newLink(conn net.Conn) *link { return &link{Conn: conn, lines: bufio.NewReader(conn)} }

func (l *link) send(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	if err := l.SetWriteDeadline(time.Now().Add(silence)); err != nil {
		return err
	}
	_, err = l.Write(append(line, '\n'))
	return err
}

func (l *link) receive(v any) error {
	if err := l.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return err
	}
	line, err := l.lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, v)
}

// hold keeps a connection alive and returns why it ended.
func (l *link) hold() error {
	ended := make(chan struct{})
	go l.beat(ended)
	defer close(ended)
	for {
		var alive struct{}
		if err := l.receive(&alive); err != nil {
			return err
		}
	}
}

func (l *link) beat(ended <-chan struct{}) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			if err := l.send(struct{}{}); err != nil {
				// The reading end notices, and says why.
				return
			}
		}
	}
}

// refuse returns why other may not join a model whose rank 0 is m.
func (m Member) refuse(other Member) error {
	alike := other
	alike.Rank = m.Rank
	switch {
	case alike != m:
		return fmt.Errorf("rank %d has other arguments: %+v, rank 0 has %+v", other.Rank, other, m)
	case other.Rank < 0 || other.Rank >= m.Nodes:
		return errors.New("no such rank")
	}
	return nil
}
