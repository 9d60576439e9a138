// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/workspace-operator/workspace-operator/test/scale/internal/subject"
)

// Usage is the processor time that etcd and the API server used so far.
func (l *Lab) Usage() (etcd, server time.Duration, _ error) {
	for name, into := range map[string]*time.Duration{"etcd": &etcd, "kube-apiserver": &server} {
		pid, err := l.pid(name)
		if err != nil {
			return 0, 0, err
		}
		usage, err := subject.UsageOf(pid)
		if err != nil {
			return 0, 0, err
		}
		*into = usage.CPU
	}
	return etcd, server, nil
}

// pid reads the cluster program's record of a part.
func (l *Lab) pid(name string) (int, error) {
	text, err := os.ReadFile(filepath.Join(l.state(), "run", name+".json"))
	if err != nil {
		return 0, fmt.Errorf("looking for the process of %s: %w", name, err)
	}
	var record struct {
		Identity struct{ PID int } `json:"identity"`
	}
	if err := json.Unmarshal(text, &record); err != nil {
		return 0, fmt.Errorf("reading the record of %s: %w", name, err)
	}
	return record.Identity.PID, nil
}

// WaitIdle returns when the API server has finished what it does after its start, such as building its OpenAPI schema: it
// would be counted among the cost of the first Workspaces.
func (l *Lab) WaitIdle(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	_, before, err := l.Usage()
	if err != nil {
		return err
	}
	for calm, seconds := 0, 0; calm < 2 && seconds < 60; seconds++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		_, now, err := l.Usage()
		if err != nil {
			return err
		}
		calm++
		if now-before > 100*time.Millisecond {
			calm = 0
		}
		before = now
	}
	return nil
}
