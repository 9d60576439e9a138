// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// eventInterval is how long the event of a write gets. A write that changed nothing has none.
const eventInterval = 5 * time.Second

// report computes the status and writes it if it differs. While the caches are behind a write of ours, its event brings us
// back in a moment, and one status says then what two would have said.
func (r *run) report(ctx context.Context) error {
	if r.ends() {
		return nil
	}
	if r.withheld = r.inFlight() && r.statuses.mayWait(client.ObjectKeyFromObject(r.ws), r.now); r.withheld {
		return nil
	}
	return r.statuses.write(ctx, r.ws, r.input())
}

// problems are the errors that the phases left, nil for each that had none.
func (r *run) problems() []error { return []error{r.planErr, r.workloadErr, r.poolErr, r.routeErr} }

// ends says that a write was refused because the namespace is being deleted, which nothing can stop any more.
func (r *run) ends() bool {
	return slices.ContainsFunc(r.problems(), func(err error) bool {
		return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
	})
}

// inFlight says that children were written without an error, and the caches do not show it yet.
func (r *run) inFlight() bool {
	return r.awaiting && errors.Join(r.problems()...) == nil
}

func (r *run) input() status.Input {
	in := status.Input{
		Previous: r.statuses.latest(r.ws), Generation: r.ws.Generation, Now: metav1.NewTime(r.now),
		PlanErr: r.planErr, Nodes: r.nodes, Shape: r.shape,
		WorkloadErr: r.workloadErr, PoolErr: r.poolErr, RouteErr: r.routeErr,
		WorkloadChanging: r.workloadChanging, PoolChanging: r.poolChanging, RouteChanging: r.routeChanging,
		Children: r.children.Children, Routing: r.routing,
	}
	if r.planErr == nil {
		in.Plan = &r.plan
	}
	return in
}

// result says when to come back although no event came: an error is retried with backoff, Waiting at its time.
func (r *run) result() (ctrl.Result, error) {
	if r.ends() {
		r.ending.Store(client.ObjectKeyFromObject(r.ws), r.ws.UID)
		return ctrl.Result{}, nil
	}
	again := r.renewal
	var failures []error
	for _, err := range r.problems() {
		waiting, isWaiting := errors.AsType[*outcome.Waiting](err)
		_, isTerminal := errors.AsType[*outcome.Terminal](err)
		switch {
		case isWaiting:
			again = sooner(again, waiting.After)
		case err != nil && !isTerminal:
			failures = append(failures, err)
		}
	}
	again = sooner(again, r.repairAfter)
	if r.withheld {
		again = sooner(again, eventInterval)
	}
	return ctrl.Result{RequeueAfter: jitter(again)}, errors.Join(failures...)
}

// sooner is the shorter of two waits, of which 0 is none.
func sooner(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// jitter spreads what was set up at the same time: up to a tenth later.
func jitter(d time.Duration) time.Duration {
	if d == 0 {
		return 0
	}
	return d + rand.N(d/10+1)
}
