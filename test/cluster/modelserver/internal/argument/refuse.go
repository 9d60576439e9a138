// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argument

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// refuse returns why vLLM would not start with values that are fine one by one.
func (v values) refuse(c Config) error {
	return errors.Join(v.refuseUnsupported(), v.refuseTemplate(), v.refuseParsers(), c.refuseNodes(), c.refuseAdapters())
}

// refuseUnsupported names what real vLLM can do and the stand-in cannot: better said than quietly ignored.
func (v values) refuseUnsupported() error {
	for _, key := range []string{"config", "grpc"} {
		if _, given := v[key]; given {
			return fmt.Errorf("the model server stand-in does not support --%s", key)
		}
	}
	if v.number("data-parallel-size", "1") > 1 {
		return errors.New("the model server stand-in does not support --data-parallel-size above 1")
	}
	if _, cert := v["ssl-certfile"]; !cert && v.text("ssl-keyfile", "") != "" {
		return errors.New("--ssl-keyfile needs --ssl-certfile")
	}
	return nil
}

// refuseTemplate treats a text with braces or line ends as the template itself, as vLLM does, and others as a path.
func (v values) refuseTemplate() error {
	template := v.text("chat-template", "")
	if template == "" || strings.ContainsAny(template, "{}\n") {
		return nil
	}
	if _, err := os.Stat(template); err != nil {
		return fmt.Errorf("--chat-template looks like a path, but cannot be read: %w", err)
	}
	return nil
}

func (v values) refuseParsers() error {
	tool := v.text("tool-call-parser", "")
	if v.on("enable-auto-tool-choice") && tool == "" {
		return errors.New("--enable-auto-tool-choice requires --tool-call-parser")
	}
	if tool != "" && v.text("tool-parser-plugin", "") == "" && !slices.Contains(toolParsers(), tool) {
		return fmt.Errorf("invalid tool call parser: %s (choose from %s)", tool, strings.Join(toolParsers(), ", "))
	}
	reasoning := v.text("reasoning-parser", "")
	if reasoning != "" && v.text("reasoning-parser-plugin", "") == "" && !slices.Contains(reasoningParsers(), reasoning) {
		return fmt.Errorf("invalid reasoning parser: %s (choose from %s)", reasoning, strings.Join(reasoningParsers(), ", "))
	}
	if v.on("enable-log-outputs") && !v.on("enable-log-requests") {
		return errors.New("--enable-log-outputs requires --enable-log-requests")
	}
	return nil
}

func (c Config) refuseNodes() error {
	n := c.Nodes
	switch {
	case n.Rank >= n.Count:
		return fmt.Errorf("--node-rank %d must be less than --nnodes %d", n.Rank, n.Count)
	case n.Headless && n.Rank == 0:
		return errors.New("--headless is for the nodes after the first one, but --node-rank is 0: nothing would serve")
	case !n.Headless && n.Rank > 0:
		return fmt.Errorf("--node-rank %d serves no HTTP: it needs --headless", n.Rank)
	case c.TensorParallel*c.PipelineParallel%n.Count != 0:
		return fmt.Errorf("world size %d (tensor parallel %d × pipeline parallel %d) must be a multiple of --nnodes %d",
			c.TensorParallel*c.PipelineParallel, c.TensorParallel, c.PipelineParallel, n.Count)
	}
	return nil
}

func (c Config) refuseAdapters() error {
	if len(c.LoRA.Modules) > 0 && !c.LoRA.Enabled {
		return errors.New("--lora-modules needs --enable-lora")
	}
	for _, a := range c.LoRA.Modules {
		if err := a.Check(); err != nil {
			return err
		}
	}
	return nil
}

// Check returns an error if the adapter is on a local path that is not there. Others would be downloaded by vLLM, and
// are taken as they are.
func (a Adapter) Check() error {
	if !filepath.IsAbs(a.Path) {
		return nil
	}
	if _, err := os.Stat(a.Path); err != nil {
		return fmt.Errorf("loading lora adapter %s: no adapter found: %w", a.Name, err)
	}
	return nil
}

// adapters reads name=path, a JSON object, or a JSON list of objects.
func (v values) adapters() ([]Adapter, error) {
	var all []Adapter
	for _, item := range v["lora-modules"] {
		if item == "" {
			continue
		}
		if name, path, plain := strings.Cut(item, "="); plain && !strings.Contains(item, ",") {
			all = append(all, Adapter{Name: name, Path: path})
			continue
		}
		parsed, err := parseAdapters(item)
		if err != nil {
			return nil, err
		}
		all = append(all, parsed...)
	}
	for _, a := range all {
		if a.Name == "" || a.Path == "" {
			return nil, usagef("Invalid fields for --lora-modules: %s - name and path are required", v["lora-modules"])
		}
	}
	return all, nil
}

func parseAdapters(item string) ([]Adapter, error) {
	if !json.Valid([]byte(item)) {
		return nil, usagef("Invalid JSON format for --lora-modules: %s", item)
	}
	if !strings.HasPrefix(strings.TrimSpace(item), "[") {
		item = "[" + item + "]"
	}
	var adapters []Adapter
	d := json.NewDecoder(strings.NewReader(item))
	d.DisallowUnknownFields()
	if err := d.Decode(&adapters); err != nil {
		return nil, usagef("Invalid fields for --lora-modules: %s - %v", item, err)
	}
	return adapters, nil
}
