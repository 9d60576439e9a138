// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/probe"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

const (
	probeWorkers = 4
	// probeTries is how often a request may go wrong before it is news: a gateway takes seconds to learn of a change.
	probeTries    = 4
	probeFirst    = time.Second
	probeInterval = 5 * time.Minute
	// proofInterval is how long a proof counts. Not all that can end it is seen to change: EnvoyFilters, a gateway that
	// starts anew, what other routes make of this one. It is how often Flux looks at what it installed, too.
	proofInterval = 10 * time.Minute
)

// prober sends the requests that show whether Endpoint Pickers are asked, apart from the workers that reconcile, since
// requests take time. It asks after each change, then rarely, and soon again while the answer is not the wanted one. Only
// another answer than before is told.
type prober struct {
	ask   func(context.Context, probe.Target) (probe.Answer, error)
	queue workqueue.TypedRateLimitingInterface[types.NamespacedName]
	// results tells a Workspace that there is news.
	results chan event.GenericEvent

	mu    sync.Mutex
	asked map[types.NamespacedName]*question
}

// question is what is known of one Workspace.
type question struct {
	// state is what the answer depends on; another state is another question.
	state string
	gates []gate
	tries int
	proof status.Proof
}

// gate is a Gateway by its name, and what to ask there.
type gate struct {
	name   string
	target probe.Target
}

func newProber() *prober {
	return &prober{
		ask: probe.Ask,
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](probeFirst, probeInterval)),
		results: make(chan event.GenericEvent, 64),
		asked:   map[types.NamespacedName]*question{},
	}
}

// proof returns what is known of a state of affairs, and has it found out if nothing is.
func (p *prober) proof(key types.NamespacedName, state string, gates []gate) status.Proof {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q := p.asked[key]; q != nil && q.state == state {
		return q.proof
	}
	p.asked[key] = &question{state: state, gates: gates}
	p.queue.Forget(key)
	p.queue.Add(key)
	return status.Proof{}
}

func (p *prober) forget(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.asked, key)
}

// Start asks until ctx ends.
func (p *prober) Start(ctx context.Context) error {
	var workers sync.WaitGroup
	for range probeWorkers {
		workers.Go(func() {
			for p.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	p.queue.ShutDown()
	workers.Wait()
	return nil
}

func (p *prober) next(ctx context.Context) bool {
	key, shutdown := p.queue.Get()
	if shutdown {
		return false
	}
	defer p.queue.Done(key)
	p.mu.Lock()
	q := p.asked[key]
	p.mu.Unlock()
	if q == nil {
		p.queue.Forget(key)
		return true
	}
	proof := p.find(ctx, q.gates)
	if ctx.Err() == nil && p.record(key, q, proof) {
		select {
		case p.results <- event.GenericEvent{Object: &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}}:
		case <-ctx.Done(): // nobody reads results any more
		}
	}
	return true
}

// find asks at one Gateway after the other, until one has another answer than the wanted one.
func (p *prober) find(ctx context.Context, gates []gate) status.Proof {
	for _, g := range gates {
		answer, err := p.ask(ctx, g.target)
		if err != nil {
			return status.Proof{Known: true, Gateway: g.name, Problem: err.Error()}
		}
		if !answer.Asked || answer.Stranger {
			return status.Proof{Known: true, Gateway: g.name, Code: answer.Code, Own: answer.Own, Stranger: answer.Stranger}
		}
	}
	return status.Proof{Known: true, Asked: true}
}

// record keeps a proof, and says whether it is news.
func (p *prober) record(key types.NamespacedName, q *question, proof status.Proof) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked[key] != q {
		// The world went on meanwhile; the new question is in the queue.
		return false
	}
	if proof.Asked {
		q.tries = 0
		p.queue.Forget(key)
		p.queue.AddAfter(key, jitter(proofInterval))
	} else {
		q.tries++
		p.queue.AddRateLimited(key)
	}
	if q.proof == proof || !proof.Asked && q.tries < probeTries {
		return false
	}
	q.proof = proof
	return true
}
