// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package process runs the parts of a cluster in the background and finds them again: each process has a
// record with its start time, so that a reused process id is never signalled.
package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Spec is what to run.
type Spec struct {
	// Name is unique in its Set.
	Name string   `json:"name"`
	Path string   `json:"path"`
	Args []string `json:"args"`
	// Env is added to PATH and HOME, which are all that a part inherits.
	Env []string `json:"env,omitempty"`
	// Endpoint is shown to people; it has no effect.
	Endpoint string `json:"endpoint,omitempty"`
}

// Record is a Spec that was started.
type Record struct {
	Spec

	Identity Identity `json:"identity"`
}

// Alive tells whether the very process that was started still runs.
func (r Record) Alive() bool { return r.Identity.Alive() }

// Set is the processes of one cluster.
type Set struct {
	// Records and Logs are directories, one file per process in each.
	Records, Logs string
}

// LogFile returns where a process writes.
func (s Set) LogFile(name string) string { return filepath.Join(s.Logs, name+".log") }

// Start runs a process in a session of its own and returns a channel that is closed when it ends while
// the caller still lives. Starting what already runs is an error.
func (s Set) Start(spec Spec) (<-chan struct{}, error) {
	if old, err := s.Find(spec.Name); err == nil && old.Alive() {
		return nil, fmt.Errorf("%s already runs as process %d", spec.Name, old.Identity.PID)
	}
	log, err := os.OpenFile(s.LogFile(spec.Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, spec.Env...)
	// A session of its own: Ctrl-C in the terminal that ran `up` must not reach the cluster.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	identity, err := identify(cmd.Process.Pid)
	if err != nil {
		return nil, fmt.Errorf("starting %s: it ended at once, see %s", spec.Name, s.LogFile(spec.Name))
	}
	return exited, s.save(Record{Spec: spec, Identity: identity})
}

func (s Set) save(record Record) error {
	raw, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(s.recordFile(record.Name), append(raw, '\n'), 0o600)
}

func (s Set) recordFile(name string) string { return filepath.Join(s.Records, name+".json") }

// Find returns the record of one process.
func (s Set) Find(name string) (Record, error) {
	raw, err := os.ReadFile(s.recordFile(name))
	if err != nil {
		return Record{}, err
	}
	var record Record
	if err := json.Unmarshal(raw, &record); err != nil {
		return Record{}, fmt.Errorf("reading the record of %s: %w", name, err)
	}
	return record, nil
}

// List returns all records in the order in which they were started.
func (s Set) List() ([]Record, error) {
	files, err := filepath.Glob(filepath.Join(s.Records, "*.json"))
	if err != nil {
		return nil, err
	}
	records := make([]Record, 0, len(files))
	for _, file := range files {
		record, err := s.Find(strings.TrimSuffix(filepath.Base(file), ".json"))
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	slices.SortFunc(records, func(a, b Record) int {
		return int(a.Identity.Start) - int(b.Identity.Start)
	})
	return records, nil
}

// Stop ends a process and forgets it. What does not run any more is only forgotten.
func (s Set) Stop(name string, grace Grace) error {
	record, err := s.Find(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := record.Identity.End(grace); err != nil {
		return fmt.Errorf("stopping %s: %w", name, err)
	}
	return os.Remove(s.recordFile(name))
}

// Halt ends a process and keeps its record, so that Resume can start it again.
func (s Set) Halt(name string, grace Grace) error {
	record, err := s.Find(name)
	if err != nil {
		return err
	}
	return record.Identity.End(grace)
}

// Resume starts a process again as it was started before.
func (s Set) Resume(name string) error {
	record, err := s.Find(name)
	if err != nil {
		return err
	}
	_, err = s.Start(record.Spec)
	return err
}
