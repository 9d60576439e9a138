// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// strangers are objects that have the names of routers and are not ours. Caches hold nothing of them: the controller of
// routers meets them when it writes, and the Workspaces at the Gateway are to say so.
type strangers struct {
	// news has the Gateways where something changed.
	news chan event.GenericEvent

	mu sync.Mutex
	at map[types.NamespacedName]string
}

func newStrangers() *strangers {
	return &strangers{news: make(chan event.GenericEvent, 64), at: map[types.NamespacedName]string{}}
}

// of says what keeps the router of a Gateway out; empty if nothing does.
func (s *strangers) of(gateway types.NamespacedName) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at[gateway]
}

// tell sets what of returns.
func (s *strangers) tell(ctx context.Context, gateway types.NamespacedName, who string) {
	if !s.changed(gateway, who) {
		return
	}
	g := &gatewayv1.Gateway{}
	g.Namespace, g.Name = gateway.Namespace, gateway.Name
	select {
	case s.news <- event.GenericEvent{Object: g}:
	case <-ctx.Done():
	}
}

func (s *strangers) changed(gateway types.NamespacedName, who string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at[gateway] == who {
		return false
	}
	if s.at[gateway] = who; who == "" {
		delete(s.at, gateway)
	}
	return true
}
