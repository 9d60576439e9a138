// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/process"
)

func newSet(t *testing.T) process.Set {
	t.Helper()
	dir := t.TempDir()
	return process.Set{Records: dir, Logs: dir}
}

func start(t *testing.T, set process.Set, script string) process.Record {
	t.Helper()
	spec := process.Spec{Name: "part", Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"WORD=hello"}}
	if _, err := set.Start(spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set.Stop("part", 0) })
	record, err := set.Find("part")
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func TestLifeOfAProcess(t *testing.T) {
	t.Parallel()
	set := newSet(t)
	record := start(t, set, "exec sleep 600")
	if !record.Alive() {
		t.Fatal("it was started and is not alive")
	}
	if _, err := set.Start(record.Spec); err == nil || !strings.Contains(err.Error(), "already runs") {
		t.Errorf("starting it twice: %v, want that it already runs", err)
	}
	if err := set.Halt("part", time.Second); err != nil {
		t.Fatal(err)
	}
	if record.Alive() {
		t.Error("it is alive after Halt")
	}
	if err := set.Resume("part"); err != nil {
		t.Fatal(err)
	}
	again, err := set.Find("part")
	if err != nil || !again.Alive() || again.Identity == record.Identity {
		t.Errorf("after Resume: %+v, %v, want another living process", again, err)
	}
	if err := set.Stop("part", time.Second); err != nil {
		t.Fatal(err)
	}
	if records, err := set.List(); err != nil || len(records) != 0 {
		t.Errorf("after Stop there are records %v, %v", records, err)
	}
}

func TestDeafProcessIsKilled(t *testing.T) {
	t.Parallel()
	set := newSet(t)
	record := start(t, set, "trap '' TERM; while :; do sleep 600; done")
	if err := set.Stop("part", 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if record.Alive() {
		t.Error("it survived")
	}
}

// A record whose process id now belongs to somebody else must not hurt them.
func TestReusedIDIsLeftAlone(t *testing.T) {
	t.Parallel()
	set := newSet(t)
	record := start(t, set, "exec sleep 600")
	stale := record.Identity
	stale.Start--
	if stale.Alive() {
		t.Error("a process with another start time counts as the same")
	}
	if err := stale.End(time.Second); err != nil {
		t.Fatal(err)
	}
	if !record.Alive() {
		t.Error("End hit a process that it was not meant for")
	}
}

func TestLogAndEnvironment(t *testing.T) {
	t.Parallel()
	set := newSet(t)
	spec := process.Spec{Name: "part", Path: "/bin/sh", Args: []string{"-c", "echo $WORD; read line"}, Env: []string{"WORD=hello"}}
	exited, err := set.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	// Standard input is empty, so that read ends the script.
	<-exited
	if said, err := os.ReadFile(filepath.Join(set.Logs, "part.log")); err != nil || string(said) != "hello\n" {
		t.Errorf("log is %q, %v", said, err)
	}
}
