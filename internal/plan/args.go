// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strconv"

	"github.com/workspace-operator/workspace-operator/internal/preset"
)

// drainSeconds is how long a server that is told to stop waits for running requests.
const drainSeconds = 60

// commandLine is a list of arguments in a stable order, of which later ones replace earlier ones of the same name.
type commandLine []commandArgument

type commandArgument struct {
	name     string
	elements []string
}

func (c *commandLine) set(name string, elements ...string) {
	one := commandArgument{name: name, elements: elements}
	if at := slices.IndexFunc(*c, func(a commandArgument) bool { return a.name == name }); at >= 0 {
		(*c)[at] = one
		return
	}
	*c = append(*c, one)
}

// flag sets --name=value, or the bare --name without a value.
func (c *commandLine) flag(name, value string) {
	if value == "" {
		c.set(name, "--"+name)
		return
	}
	c.set(name, "--"+name+"="+value)
}

func (c *commandLine) number(name string, value int) { c.flag(name, strconv.Itoa(value)) }

// serverArgs returns what follows `vllm serve`, without what differs between the pods of one replica. Preset, plan and
// user are applied in this order: the last one wins.
func serverArgs(p preset.Preset, parts serverParts) []string {
	var line commandLine
	// vllm serve wants the model as its first argument, and will drop --model.
	line.set("model", p.Model)
	line.flag("served-model-name", p.Name)
	line.number("port", ServerPort)
	// By default vLLM aborts running requests when its pod is replaced.
	line.number("shutdown-timeout", drainSeconds)
	if p.Revision != "" {
		line.flag("revision", p.Revision)
		line.flag("tokenizer-revision", p.Revision)
		line.flag("code-revision", p.Revision)
	}
	for _, flag := range p.Flags() {
		line.flag(flag.Name, flag.Value)
	}
	setComputed(&line, parts)
	for _, one := range parts.user {
		if one.argument.name == "max-model-len" {
			continue // already part of the topology, without its suffix
		}
		line.set(one.name(), one.elements...)
	}
	setAdapters(&line, parts)

	var args []string
	for _, one := range line {
		args = append(args, one.elements...)
	}
	return args
}

// name is the argument that the setting replaces: vLLM has two names for one of them.
func (s setting) name() string {
	if s.argument.name == "device-memory-utilization" {
		return "gpu-memory-utilization"
	}
	return s.argument.name
}

func setComputed(line *commandLine, parts serverParts) {
	t := parts.topology
	line.flag("gpu-memory-utilization", strconv.FormatFloat(parts.demand.utilization, 'g', 4, 64))
	if t.MaxModelLen > 0 {
		line.number("max-model-len", int(t.MaxModelLen))
	} else {
		// vLLM takes the longest context that fits, up to the model's limit.
		line.flag("max-model-len", "auto")
	}
	line.number("tensor-parallel-size", int(t.TensorParallel))
	if t.MultiNode() {
		line.number("pipeline-parallel-size", int(t.PipelineParallel))
		line.number("nnodes", int(t.NodesPerReplica))
		// Without it vLLM would look for Ray once a model spans nodes.
		line.flag("distributed-executor-backend", "mp")
	}
}

func setAdapters(line *commandLine, parts serverParts) {
	if len(parts.adapters) == 0 {
		return
	}
	line.flag("enable-lora", "")
	line.number("max-loras", parts.demand.adapters)
	line.number("max-lora-rank", parts.demand.rank)
	// A repeated --lora-modules would replace the one before, so all modules follow one.
	modules := []string{"--lora-modules"}
	for _, a := range parts.adapters {
		modules = append(modules, a.Name+"="+a.Path)
	}
	line.set("lora-modules", modules...)
}
