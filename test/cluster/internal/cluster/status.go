// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/controlplane"
	"github.com/workspace-operator/workspace-operator/test/cluster/internal/process"
)

// Part is one line of the status table.
type Part struct {
	Name, Endpoint string
	PID            int
	Ready          bool
	// State is a word for people: ready, not ready or stopped.
	State string
}

// Status returns the state of every part that was started, in the order in which they were.
func (c *Cluster) Status(ctx context.Context) []Part {
	records, err := c.processes().List()
	if err != nil || len(records) == 0 {
		return []Part{{Name: "processes", State: "unknown"}}
	}
	parts := make([]Part, 0, len(records))
	for _, record := range records {
		part := Part{Name: record.Name, Endpoint: record.Endpoint, PID: record.Identity.PID, State: "stopped"}
		if record.Alive() {
			part.Ready, part.State = true, "ready"
			if err := c.healthy(ctx, record); err != nil {
				part.Ready, part.State = false, "not ready"
			}
		}
		parts = append(parts, part)
	}
	return append(parts, c.nodeParts(ctx)...)
}

func (c *Cluster) healthy(ctx context.Context, record process.Record) error {
	switch record.Name {
	case controlplane.APIServer:
		return c.get(ctx, record.Endpoint+"/readyz")
	case controlplane.ControllerManager, controlplane.Scheduler:
		return c.get(ctx, record.Endpoint+"/healthz")
	case controlplane.Etcd:
		return c.get(ctx, record.Endpoint+"/health")
	default:
		return nil
	}
}

// PrintStatus writes the table.
func (c *Cluster) PrintStatus(ctx context.Context, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "PART\tPID\tSTATE\tENDPOINT")
	for _, part := range c.Status(ctx) {
		pid := "-"
		if part.PID != 0 {
			pid = fmt.Sprint(part.PID)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", part.Name, pid, part.State, part.Endpoint)
	}
	return table.Flush()
}
