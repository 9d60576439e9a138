// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package setting reads the switches of the stand-in from the environment, so that the command line stays vLLM's.
package setting

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Settings are the switches; the zero value of a field that is a pointer means that the switch is not set.
type Settings struct {
	// LoadDelay (MODEL_SERVER_LOAD_DELAY, default 0) is how long the weights load before the server listens.
	LoadDelay time.Duration
	// TokenLatency (MODEL_SERVER_TOKEN_LATENCY, default 2ms) is the time of one step: one token for each running request.
	TokenLatency time.Duration
	// PrefillLatency (MODEL_SERVER_PREFILL_LATENCY, default 0) is the time for each prompt token that is not cached.
	PrefillLatency time.Duration
	// Blocks (MODEL_SERVER_GPU_BLOCKS) is the size of the KV cache in blocks, when --num-gpu-blocks-override is not given.
	Blocks *int
	// FixedWaiting (MODEL_SERVER_FIXED_WAITING) is shown as the number of waiting requests, whatever the load is.
	FixedWaiting *int
	// FixedKV (MODEL_SERVER_FIXED_KV, 0 to 1) is shown as the use of the KV cache, whatever the load is.
	FixedKV *float64
	// CrashAfter (MODEL_SERVER_CRASH_AFTER) is when the process ends with exit code 1, counted from its start.
	CrashAfter *time.Duration
	// RuntimeLoRA (VLLM_ALLOW_RUNTIME_LORA_UPDATING, vLLM's own) allows adapters to be loaded and unloaded by request.
	RuntimeLoRA bool
	// APIKey (VLLM_API_KEY, vLLM's own) is one more key that clients may present.
	APIKey string
}

// Read returns the switches that getenv knows; an empty value is as good as none.
func Read(getenv func(string) string) (Settings, error) {
	e := environment{getenv: getenv}
	s := Settings{
		LoadDelay:      *e.duration("MODEL_SERVER_LOAD_DELAY", new(time.Duration(0))),
		TokenLatency:   *e.duration("MODEL_SERVER_TOKEN_LATENCY", new(2*time.Millisecond)),
		PrefillLatency: *e.duration("MODEL_SERVER_PREFILL_LATENCY", new(time.Duration(0))),
		Blocks:         e.number("MODEL_SERVER_GPU_BLOCKS", 1),
		FixedWaiting:   e.number("MODEL_SERVER_FIXED_WAITING", 0),
		FixedKV:        e.share("MODEL_SERVER_FIXED_KV"),
		CrashAfter:     e.duration("MODEL_SERVER_CRASH_AFTER", nil),
		RuntimeLoRA:    e.allowed("VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
		APIKey:         getenv("VLLM_API_KEY"),
	}
	return s, errors.Join(e.errs...)
}

// environment collects what is wrong, so that all of it is said at once.
type environment struct {
	getenv func(string) string
	errs   []error
}

func (e *environment) refuse(name, value, want string) {
	e.errs = append(e.errs, fmt.Errorf("environment variable %s=%q is not %s", name, value, want))
}

func (e *environment) duration(name string, otherwise *time.Duration) *time.Duration {
	value := e.getenv(name)
	if value == "" {
		return otherwise
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		e.refuse(name, value, "a duration of 0 or more, like 20ms")
	}
	return &d
}

func (e *environment) number(name string, least int) *int {
	value := e.getenv(name)
	if value == "" {
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < least {
		e.refuse(name, value, fmt.Sprintf("a whole number of %d or more", least))
	}
	return &n
}

func (e *environment) share(name string) *float64 {
	value := e.getenv(name)
	if value == "" {
		return nil
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		e.refuse(name, value, "a number from 0 to 1")
	}
	return &f
}

// allowed reads a switch as vLLM does: "1" and "true" are on.
func (e *environment) allowed(name string) bool {
	value := e.getenv(name)
	if value == "" {
		return false
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		e.refuse(name, value, "true or false")
	}
	return on
}
