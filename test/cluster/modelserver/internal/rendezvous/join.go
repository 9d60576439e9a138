// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rendezvous

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// retry is the pause between two attempts to reach the master.
const retry = 500 * time.Millisecond

// refusedError is the master's no: trying again would not help.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return "the master refuses: " + e.reason }

// Join connects to the master, trying until it answers, and stays. It returns nil when ctx is done, and an error when
// the master refuses or goes away.
func Join(ctx context.Context, address string, me Member, log *slog.Logger) error {
	node, err := reach(ctx, address, me, log)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("joining %s as rank %d: %w", address, me.Rank, err)
	}
	log.Info("joined", "master", address, "rank", me.Rank, "nodes", me.Nodes)
	stop := context.AfterFunc(ctx, func() { _ = node.Close() })
	defer stop()
	err = node.hold()
	_ = node.Close() // nothing more to say
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("the master %s is gone: %w", address, err)
}

func reach(ctx context.Context, address string, me Member, log *slog.Logger) (*link, error) {
	said := ""
	for {
		node, err := attempt(ctx, address, me)
		if err == nil {
			return node, nil
		}
		if _, no := errors.AsType[*refusedError](err); no {
			return nil, err
		}
		if err.Error() != said {
			said = err.Error()
			log.Info("waiting for the master", "address", address, "because", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(retry):
		}
	}
}

func attempt(ctx context.Context, address string, me Member) (*link, error) {
	dialer := net.Dialer{Timeout: silence}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	node := newLink(conn)
	var got answer
	err = errors.Join(node.send(me), node.receive(&got))
	if err == nil && got.Refusal != "" {
		err = &refusedError{reason: got.Refusal}
	}
	if err != nil {
		_ = node.Close() // of no use
		return nil, err
	}
	return node, nil
}
