// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/accelerator"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/preset"
)

// defaultLoRARank is the highest rank of adapters that load when the user sets no other: vLLM's 16 refuses many.
const defaultLoRARank = 64

// demandFor combines what the preset needs with what the user's settings ask for. o is what the nodes offer.
func demandFor(p preset.Preset, user settings, adapters int, o offer) (demand, error) {
	d := demand{preset: p, utilization: defaultUtilization, adapters: adapters, rank: defaultLoRARank}
	mistakes := []error{
		d.setContext(user),
		d.setUtilization(user),
		d.setTensorParallel(user, o),
		d.setMemory(user),
		d.checkTools(user),
	}
	if err := errors.Join(mistakes...); err != nil {
		return demand{}, &outcome.Terminal{
			Reason: v1beta1.ReasonInvalidInferenceConfig,
			Err:    errors.New(strings.ReplaceAll(err.Error(), "\n", "; ")),
		}
	}
	return d, nil
}

func (d *demand) setContext(user settings) error {
	s, given := user.get("max-model-len")
	if !given {
		return nil
	}
	length, err := parseSize(s.value)
	if err != nil || length < 1 {
		return s.errorf("want a number of tokens, at least 1, have %q", quoted(s.value))
	}
	if limit := d.preset.MaxContextLength; length > int64(limit) {
		return s.errorf("%s is above the %d tokens that %s was made for: write at most %d", s.value, limit, d.preset.Name, limit)
	}
	d.context = int(length)
	return nil
}

func (d *demand) setUtilization(user settings) error {
	for _, name := range []string{"gpu-memory-utilization", "device-memory-utilization"} {
		s, given := user.get(name)
		if !given {
			continue
		}
		share, err := strconv.ParseFloat(s.value, 64)
		if err != nil || share <= 0 || share > 1 {
			return s.errorf("want a number above 0 and at most 1, have %q", quoted(s.value))
		}
		d.utilization = share
	}
	return nil
}

// setTensorParallel lets the user's value win where vLLM would start with it.
func (d *demand) setTensorParallel(user settings, o offer) error {
	s, given := user.get("tensor-parallel-size")
	if !given {
		return nil
	}
	tp, err := strconv.Atoi(s.value)
	if err != nil || tp < 1 {
		return s.errorf("want a number of GPUs, at least 1, have %q", quoted(s.value))
	}
	gpus := o.Count
	switch {
	case o.Partitioned && tp > 1:
		return s.errorf("%s has slices of GPUs, which cannot share a layer: leave it out", o.name)
	case o.guessed:
		gpus = max(gpus, largestNode)
	}
	if !d.preset.AllowsTensorParallel(tp) {
		return s.errorf("%s cannot be split over %d GPUs: %s", d.preset.Name, tp, d.allowed(gpus))
	}
	if tp > gpus {
		return s.errorf("%d is more than the %s of %s: %s", tp, count(gpus, "GPU"), o.name, d.allowed(gpus))
	}
	d.tensorParallel = tp
	return nil
}

// allowed says which tensor parallel sizes work on so many GPUs.
func (d *demand) allowed(gpus int) string {
	var sizes []string
	for size := 1; size <= gpus; size++ {
		if splits(d.preset, size) {
			sizes = append(sizes, strconv.Itoa(size))
		}
	}
	return "write " + strings.Join(sizes, " or ") + ", or leave it out"
}

// setMemory takes over the settings that change how much memory the model occupies.
func (d *demand) setMemory(user settings) error {
	if s, given := user.get("kv-cache-dtype"); given {
		d.halfCache = strings.HasPrefix(s.value, "fp8")
	}
	if s, given := user.get("cpu-offload-gb"); given {
		size, err := strconv.ParseFloat(s.value, 64)
		if err != nil || size < 0 {
			return s.errorf("want a number of GiB, have %q", quoted(s.value))
		}
		d.offload = int64(min(size, 1<<20) * gibibyte)
	}
	if d.adapters == 0 {
		return nil
	}
	return errors.Join(setPositive(user, "max-loras", &d.adapters), setPositive(user, "max-lora-rank", &d.rank))
}

// checkTools refuses what vLLM would refuse at start: to call tools without knowing how the model writes calls.
func (d *demand) checkTools(user settings) error {
	s, given := user.get("enable-auto-tool-choice")
	_, parser := user.get("tool-call-parser")
	if !given || strings.EqualFold(s.value, "false") || parser || d.preset.ToolCallParser != "" {
		return nil
	}
	return s.errorf("%s has no tool call parser: add tool-call-parser, or leave it out", d.preset.Name)
}

func setPositive(user settings, name string, target *int) error {
	s, given := user.get(name)
	if !given {
		return nil
	}
	number, err := strconv.Atoi(s.value)
	if err != nil || number < 1 {
		return s.errorf("want a whole number, at least 1, have %q", quoted(s.value))
	}
	*target = number
	return nil
}

// doesNotFit says what the model needs, what the nodes offer, and what to write instead.
func (d demand) doesNotFit(o offer, t accelerator.Table) error {
	s := split{tensor: d.tensorFor(o.Accelerator), stages: d.stageLimit(o.Accelerator)}
	where := "each GPU"
	if s.tensor > 1 {
		where = fmt.Sprintf("each of %d GPUs", s.tensor)
	}
	if s.stages > 1 {
		where += fmt.Sprintf(" of %d nodes", s.stages)
	}
	cache := int64(d.cachePerToken(s) * float64(d.wanted()))
	return &outcome.Terminal{
		Reason: v1beta1.ReasonModelDoesNotFit,
		Err: fmt.Errorf("%s does not fit %s: on %s it needs %s (weights %s, KV cache of %d tokens %s, overhead %s) and %s is offered (%s, gpu-memory-utilization %s): %s",
			d.preset.Name, o.name, where, gib(d.needed(s)), gib(d.weights(s)), d.wanted(), gib(cache),
			gib(int64(d.preset.OverheadPerGPU)), gib(int64(float64(o.MemoryPerGPU)*d.utilization)), o.describe(),
			strconv.FormatFloat(d.utilization, 'g', 4, 64), d.advice(s, o, t)),
	}
}

// advice names changes that help.
func (d demand) advice(s split, o offer, t accelerator.Table) string {
	var all []string
	budget := int64(float64(o.MemoryPerGPU) * d.utilization)
	if length := d.longest(s, budget) / contextStep * contextStep; d.context > 0 && length > 0 {
		all = append(all, fmt.Sprintf("set max-model-len to at most %d", length))
	}
	if fits := d.smallestFit(o.cloud, t); fits != "" {
		all = append(all, "write resource.instanceType: "+fits)
	} else {
		all = append(all, "use nodes with more GPU memory")
	}
	return strings.Join(all, ", or ")
}

// smallestFit returns the instance type of a cloud with the least GPU memory on which one node holds the model.
func (d demand) smallestFit(cloud string, t accelerator.Table) string {
	best, memory := "", int64(0)
	for _, name := range t.Names() {
		candidate, known := t.Lookup(name)
		if !known || candidate.Cloud != cloud || candidate.Arch == "arm64" || candidate.CheckSupported() != nil ||
			d.tensorParallel > candidate.Count {
			continue
		}
		topology, fits := size(d, candidate.Accelerator)
		if fits && !topology.MultiNode() && (best == "" || total(candidate.Accelerator) < memory) {
			best, memory = candidate.Name, total(candidate.Accelerator)
		}
	}
	return best
}

// describe names the GPUs of one node.
func (o offer) describe() string {
	model := o.Model
	if o.Partitioned {
		model = strings.TrimSpace(model + " slice")
	}
	return fmt.Sprintf("%d × %s of %s", o.Count, orGPU(model), gib(o.MemoryPerGPU))
}

func orGPU(model string) string {
	if model == "" {
		return "GPU"
	}
	return model
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
