// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/argument"
	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/rendezvous"
)

func member(c argument.Config) rendezvous.Member {
	return rendezvous.Member{
		Rank: c.Nodes.Rank, Nodes: c.Nodes.Count, Model: c.Model,
		TensorParallel: c.TensorParallel, PipelineParallel: c.PipelineParallel,
	}
}

func master(c argument.Config) string {
	return net.JoinHostPort(c.Nodes.MasterAddr, strconv.Itoa(c.Nodes.MasterPort))
}

// join is all that a headless node does: it belongs to the model until ctx is done or the master goes away.
func join(ctx context.Context, c argument.Config, log *slog.Logger) error {
	return rendezvous.Join(ctx, master(c), member(c), log)
}

// lead waits for all ranks. Rank 0 joins itself by the address that the others use, as torch.distributed does: so an
// address that leads nowhere shows up here too.
func lead(ctx context.Context, c argument.Config, log *slog.Logger) (*rendezvous.Leader, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort("", strconv.Itoa(c.Nodes.MasterPort)))
	if err != nil {
		return nil, fmt.Errorf("listening for the other nodes: %w", err)
	}
	leader := rendezvous.Lead(listener, member(c))
	// Not ctx: while the last requests are finished the model must stay whole. Closing the leader ends it.
	staying := context.WithoutCancel(ctx)
	refused := make(chan error, 1)
	go func() { refused <- join(staying, c, log) }()
	log.Info("waiting for the other nodes", "nodes", c.Nodes.Count, "port", c.Nodes.MasterPort)
	select {
	case <-leader.Complete():
		log.Info("all nodes have joined")
		go report(ctx, leader, log)
		return leader, nil
	case err := <-refused:
		leader.Close()
		return nil, err
	case <-ctx.Done():
		leader.Close()
		return nil, ctx.Err()
	}
}

func report(ctx context.Context, leader *rendezvous.Leader, log *slog.Logger) {
	select {
	case <-ctx.Done():
	case <-leader.Lost():
		log.Error("unhealthy from now on", "error", leader.Err())
	}
}
