// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command modelserver stands in for `vllm serve` on clusters without GPUs. It is not a model: its answers are words drawn
// at random, the same ones for the same prompt. Everything around the answer is meant to be like vLLM, so that whatever
// deploys, routes to or watches vLLM can be tried against it.
//
// # What it does
//
//   - It takes the command line of the image docker.io/vllm/vllm-openai. Unknown arguments and wrong values end with
//     exit code 2 and argparse's words; what vLLM refuses while it starts (a chat template that is not there, an adapter
//     without --enable-lora, a world size that does not fit the nodes, …) ends with exit code 1.
//   - It does not listen before it is loaded: GET /health fails to connect, then answers 200.
//   - It serves /v1/models, /v1/completions, /v1/chat/completions (whole and as server-sent events), /tokenize,
//     /detokenize, /version, /ping, /metrics, and with VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 also /v1/load_lora_adapter and
//     /v1/unload_lora_adapter.
//   - Requests queue for --max-num-seqs slots and fill a KV cache; vllm:num_requests_waiting, vllm:num_requests_running
//     and vllm:kv_cache_usage_perc follow. A client that goes away frees its slot at once.
//   - With --nnodes, rank 0 serves only after all ranks have met on --master-addr and --master-port with the same
//     arguments. The others need --headless and serve nothing. When a worker is lost, rank 0 answers 503 for ever, and
//     the other workers exit with code 1, so that Kubernetes starts all of them again.
//   - On SIGTERM it stops listening, finishes the running requests and exits with code 0.
//
// Every answer has the headers X-Served-By (the host's name, which is the pod's) and X-Stand-In, and /version says so too.
//
// # Where it differs from vLLM
//
// Nothing is downloaded, so --model, --revision and the like are not checked against anything, and without
// --max-model-len the context has 32,768 tokens. A token is four bytes. Sampling parameters are ignored but for seed, stop,
// n, min_tokens and ignore_eos. Log probabilities, tool calls, images and structured output are not made. Data parallel
// ranks, --grpc and --config are refused, since nothing would stand behind them. vLLM accepts two arguments no longer that
// are still accepted here: --swap-space and --disable-log-requests.
//
// # Switches
//
// They are environment variables, so that the command line stays vLLM's: MODEL_SERVER_LOAD_DELAY,
// MODEL_SERVER_TOKEN_LATENCY, MODEL_SERVER_PREFILL_LATENCY, MODEL_SERVER_GPU_BLOCKS, MODEL_SERVER_FIXED_WAITING,
// MODEL_SERVER_FIXED_KV and MODEL_SERVER_CRASH_AFTER; package setting says what each one does. A client can slow its own
// answer down by the header X-Stand-In-Token-Latency, the time between two tokens, such as 500ms.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/argument"
	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/setting"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, process{args: os.Args[1:], getenv: os.Getenv, out: os.Stdout, log: os.Stderr, exit: os.Exit})
	stop()
	os.Exit(code)
}

// process is what the operating system gives to a program.
type process struct {
	args   []string
	getenv func(string) string
	out    io.Writer
	log    io.Writer
	exit   func(int) // ends the process at once
}

// Exit codes: argparse uses 2.
const (
	exitFine  = 0
	exitError = 1
	exitUsage = 2
)

// run serves until ctx is done and returns the exit code.
func run(ctx context.Context, p process) int {
	log := slog.New(slog.NewTextHandler(p.log, nil))
	args := p.args
	// An image's command may repeat the subcommand that the entrypoint implies.
	if len(args) > 0 && args[0] == "serve" {
		args = args[1:]
	}
	config, err := argument.Parse(args)
	if errors.Is(err, argument.ErrHelp) {
		_, _ = fmt.Fprintln(p.out, argument.Usage) // no help without somebody to read it
		return exitFine
	}
	if usage, wrong := errors.AsType[*argument.UsageError](err); wrong {
		_, _ = fmt.Fprintf(p.log, "%s\n%v\n", argument.Usage, usage) // the exit code says it too
		return exitUsage
	}
	settings, wrong := setting.Read(p.getenv)
	if err := errors.Join(err, wrong); err != nil {
		log.Error("cannot start", "error", err)
		return exitError
	}
	if settings.CrashAfter != nil {
		defer time.AfterFunc(*settings.CrashAfter, func() {
			log.Error("crashing as MODEL_SERVER_CRASH_AFTER asks for")
			p.exit(exitError)
		}).Stop()
	}
	if err := serve(ctx, config, settings, log); err != nil {
		log.Error("ended", "error", err)
		return exitError
	}
	log.Info("ended")
	return exitFine
}
