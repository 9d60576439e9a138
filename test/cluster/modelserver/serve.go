// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/argument"
	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/engine"
	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/metric"
	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/openai"
	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/setting"
)

// serve does what this node is there for until ctx is done.
func serve(ctx context.Context, c argument.Config, s setting.Settings, log *slog.Logger) error {
	blocks, err := cacheSize(c, s)
	if err != nil {
		return err
	}
	log.Info("starting the model server stand-in: its answers are not a model's", "model", c.Model, "served", c.Served,
		"rank", c.Nodes.Rank, "nodes", c.Nodes.Count, "maxModelLen", c.MaxModelLen, "blocks", blocks)
	healthy := func() error { return nil }
	if c.Nodes.Rank > 0 {
		return join(ctx, c, log)
	}
	if c.Nodes.Count > 1 {
		leader, err := lead(ctx, c, log)
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		defer leader.Close()
		healthy = leader.Err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(s.LoadDelay):
	}
	handler, simulation, err := newModel(c, s, blocks, healthy, log)
	if err != nil {
		return err
	}
	// The engine outlives ctx: the requests that run when it is done are still answered.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go simulation.Run(working)
	return listenAndServe(ctx, c, handler, log)
}

// leastBlocks keeps the cache of models with a short context from being full with a few requests.
const leastBlocks = 512

// cacheSize returns the number of blocks of the KV cache, which must hold the longest request, as vLLM demands.
func cacheSize(c argument.Config, s setting.Settings) (int, error) {
	longest := (c.MaxModelLen + c.BlockSize - 1) / c.BlockSize
	blocks := max(leastBlocks, 2*longest)
	if s.Blocks != nil {
		blocks = *s.Blocks
	}
	if c.Blocks > 0 {
		blocks = c.Blocks
	}
	if blocks < longest {
		return 0, fmt.Errorf("the model's max seq len (%d) is larger than the number of tokens that the KV cache can hold (%d):"+
			" lower --max-model-len or raise the number of blocks", c.MaxModelLen, blocks*c.BlockSize)
	}
	return blocks, nil
}

// newModel puts engine, metrics and API together.
func newModel(c argument.Config, s setting.Settings, blocks int, healthy func() error, log *slog.Logger) (http.Handler, *engine.Engine, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the host's name: %w", err)
	}
	metrics := metric.New(metric.Info{
		Model: c.Served[0], BlockSize: c.BlockSize, Blocks: blocks, CacheType: c.CacheType, GPUUtilization: c.GPUUtilization,
		PrefixCaching: c.PrefixCaching, LoRA: c.LoRA.Enabled, MaxLoRA: c.LoRA.Max,
		FixedWaiting: s.FixedWaiting, FixedKV: s.FixedKV,
	})
	simulation := engine.New(engine.Config{
		Slots: c.MaxSeqs, Blocks: blocks, BlockSize: c.BlockSize, Adapters: c.LoRA.Max,
		TokenLatency: s.TokenLatency, PrefillLatency: s.PrefillLatency, PrefixCaching: c.PrefixCaching,
		Finished: metrics.Finished,
	})
	keys := c.APIKeys
	if s.APIKey != "" {
		keys = append(keys, s.APIKey)
	}
	access := slog.New(slog.DiscardHandler)
	if c.AccessLog {
		access = log
	}
	return openai.Handler(openai.Config{
		Served: c.Served, Root: c.Model, MaxModelLen: c.MaxModelLen, ResponseRole: c.ResponseRole, AutoTools: c.AutoTools,
		ForceUsage: c.ForceUsage, APIKeys: keys, LoRA: c.LoRA.Enabled, RuntimeLoRA: s.RuntimeLoRA, Hostname: hostname,
		Access: access, Engine: simulation, Metrics: metrics.Handler(simulation.Load), Healthy: healthy,
	}, c.LoRA.Modules), simulation, nil
}

// listenAndServe answers until ctx is done, and then finishes what is running.
func listenAndServe(ctx context.Context, c argument.Config, handler http.Handler, log *slog.Logger) error {
	listener, err := listen(ctx, c)
	if err != nil {
		return err
	}
	const headers = 10 * time.Second
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headers}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Info("application startup complete", "address", listener.Addr().String())
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	log.Info("shutting down: finishing the running requests")
	patience := context.WithoutCancel(ctx)
	if c.ShutdownSeconds > 0 {
		limited, cancel := context.WithTimeout(patience, time.Duration(c.ShutdownSeconds)*time.Second)
		defer cancel()
		patience = limited
	}
	if err := server.Shutdown(patience); errors.Is(err, context.DeadlineExceeded) {
		log.Info("--shutdown-timeout is over: aborting the requests that are left")
		return server.Close()
	} else if err != nil {
		return fmt.Errorf("shutting down: %w", err)
	}
	return nil
}

func listen(ctx context.Context, c argument.Config) (net.Listener, error) {
	network, address := "tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port))
	if c.Socket != "" {
		network, address = "unix", c.Socket
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	if c.CertFile == "" {
		return listener, nil
	}
	keyFile := c.KeyFile
	if keyFile == "" {
		keyFile = c.CertFile
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, keyFile)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("loading the certificate: %w", err), listener.Close())
	}
	return tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}), nil
}
