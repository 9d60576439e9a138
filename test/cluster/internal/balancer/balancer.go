// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package balancer stands in for a cloud's load balancers: each Service of that type gets its cluster IP as external
// address. This machine and all pods reach it, and kube-proxy need not know of it.
package balancer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/kubectl"
)

const retryInterval = time.Second

// event is as much of a watch event of a Service as matters.
type event struct {
	Type   string
	Object struct {
		Metadata struct{ Namespace, Name string }
		Spec     struct{ Type, ClusterIP string }
		Status   status
	}
}

type status struct {
	LoadBalancer loadBalancer `json:"loadBalancer"`
}

type loadBalancer struct {
	Ingress []ingress `json:"ingress,omitempty"`
}

type ingress struct {
	IP string `json:"ip"`
	// IPMode Proxy keeps kube-proxy from routing the address, which it routes already.
	IPMode string `json:"ipMode"`
}

// Serve gives addresses until ctx ends.
func Serve(ctx context.Context, client kubectl.Client, log io.Writer) error {
	for {
		err := client.Stream(ctx, func(out io.Reader) error { return follow(ctx, client, out) },
			"get", "services", "--all-namespaces", "--watch", "--output-watch-events", "--output=json")
		_, _ = fmt.Fprintf(log, "the watch of Services ended: %v\n", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryInterval):
		}
	}
}

func follow(ctx context.Context, client kubectl.Client, events io.Reader) error {
	decoder := json.NewDecoder(events)
	for {
		var e event
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading an event: %w", err)
		}
		patch, ok := e.patch()
		if !ok {
			continue
		}
		meta := e.Object.Metadata
		_, err := client.Run(ctx, "patch", "service", meta.Name, "--namespace", meta.Namespace, "--subresource=status",
			"--type=merge", "--patch", patch)
		if err != nil {
			return err
		}
	}
}

// patch is what gives the Service its address; false if it needs none, or has it.
func (e event) patch() (string, bool) {
	o := e.Object
	if e.Type == "DELETED" || o.Spec.Type != "LoadBalancer" || o.Spec.ClusterIP == "" || len(o.Status.LoadBalancer.Ingress) > 0 {
		return "", false
	}
	text, err := json.Marshal(map[string]status{
		"status": {LoadBalancer: loadBalancer{Ingress: []ingress{{IP: o.Spec.ClusterIP, IPMode: "Proxy"}}}},
	})
	return string(text), err == nil
}
