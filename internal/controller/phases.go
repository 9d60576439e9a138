// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/apply"
	"github.com/workspace-operator/workspace-operator/internal/observe"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/pool"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// takenInterval is how often a name that somebody else has is tried again: objects that are not ours are not watched.
const takenInterval = time.Minute

// run is one reconcile of one Workspace.
type run struct {
	*Reconciler
	ws  *v1beta1.Workspace
	now time.Time
	// lost are the children that went since the last reconcile, as "Kind name".
	lost map[string]bool

	served   observe.APIs
	children observe.Children
	nodes    []plan.Node

	plan    plan.Plan
	planErr error

	// wanted are the objects that the plan asks for; others of ours are pruned.
	wanted      []client.Object
	shape       plan.Shape
	workloadErr error
	poolErr     error
	routeErr    error
	// certificateErr is also that of the route, or of the pool where there is no route.
	certificateErr error
	// workloadChanging, poolChanging and routeChanging say that the caches do not show yet what was just written.
	workloadChanging, poolChanging, routeChanging bool
	// repairAfter is when Flux may be asked again. It counts from the last time: with an interval that begins at each
	// reconcile, pods that restart would put it off for ever.
	repairAfter time.Duration
	// awaiting says that the event of a write of ours will bring us back, withheld that the status waits for it.
	awaiting, withheld bool

	routing status.Routing
	// renewal is when the Endpoint Picker's certificate is to be replaced, or a handover ends; 0 without one.
	renewal time.Duration
	// issuing is how long a new pool may wait for cert-manager.
	issuing time.Duration
}

func (r *run) observe(ctx context.Context) error {
	r.served = r.apis.current()
	children, err := r.observer.Children(ctx, r.ws, r.served)
	r.children = children
	return err
}

// decide makes the plan. Without one nothing is written but the status.
func (r *run) decide(ctx context.Context) error {
	facts, err := r.observer.Facts(ctx, r.ws)
	facts.Held, facts.Serves = r.children.PlannedFor(), r.children.Serving()
	r.nodes = facts.Nodes
	if err != nil {
		r.planErr = err
		return nil
	}
	// A stored Workspace of KAITO's may have neither; NewTemplate says so.
	if r.ws.Inference == nil || r.ws.Inference.Preset == nil {
		r.plan, r.planErr = plan.NewTemplate(r.ws, facts)
		return nil
	}
	model, err := r.presets.lookup(r.ws.Inference.Preset.Name)
	if err != nil {
		r.planErr = err
		return nil
	}
	r.plan, r.planErr = plan.New(r.ws, model, facts)
	return nil
}

// applyPool writes the Flux objects. They are made together with the workload, never without it.
func (r *run) applyPool(ctx context.Context) error {
	if r.planErr != nil || r.plan.Pool == nil {
		return nil
	}
	r.poolErr = r.poolPreconditions()
	if r.poolErr != nil {
		return nil
	}
	objects, err := pool.Render(r.plan, r.children.PoolShape(r.shape))
	if err != nil {
		r.poolErr = err
		return nil
	}
	for _, obj := range objects.All() {
		changing, err := r.apply(ctx, obj)
		r.poolChanging = r.poolChanging || changing
		r.poolErr = errors.Join(r.poolErr, err)
	}
	if r.plan.Route == nil {
		r.poolErr = errors.Join(r.poolErr, r.certificateErr)
	}
	return nil
}

func (r *run) poolPreconditions() error {
	missing := r.served.MissingForPool(r.plan.Pool)
	switch {
	case len(missing) == 1 && missing[0] == observe.CRDInferenceObjective:
		return &outcome.Waiting{Reason: v1beta1.ReasonCRDNotFound, Message: fmt.Sprintf(
			"not installed in this cluster: %s; endpoint pickers up to v1.2.1 do not start without it: install it, or configure a later chart.version",
			missing[0])}
	case len(missing) > 0:
		return &outcome.Waiting{Reason: v1beta1.ReasonCRDNotFound, Message: fmt.Sprintf(
			"not installed in this cluster: %s; install Flux and the Gateway API Inference Extension's CRDs, or switch the feature gate off",
			strings.Join(missing, ", "))}
	case r.workloadErr != nil && r.children.Release == nil:
		reason, message := status.Explain(r.workloadErr)
		return &outcome.Waiting{Reason: reason, Message: "the pool is made together with the workload: " + message}
	case r.issuing > 0 && r.children.Release == nil:
		return &outcome.Waiting{Reason: v1beta1.ReasonPoolProgressing, After: r.issuing, Message: fmt.Sprintf(
			"it waits up to %s for the certificate of its endpoint picker", issueInterval)}
	case r.shape == "":
		return &outcome.Waiting{Reason: v1beta1.ReasonShapeUnknown, Message: "the API server has not admitted the workload; an existing pool keeps its selector"}
	default:
		return nil
	}
}

// apply writes one object if it differs, and says whether the cache is behind now.
func (r *run) apply(ctx context.Context, obj client.Object) (bool, error) {
	r.wanted = append(r.wanted, obj)
	cached := r.children.Find(obj)
	if cached != nil && cached.GetDeletionTimestamp() != nil {
		return true, &outcome.Waiting{Reason: v1beta1.ReasonProgressing, Message: fmt.Sprintf(
			"%s %s is being deleted; it is made again when it is gone", obj.GetObjectKind().GroupVersionKind().Kind, obj.GetName())}
	}
	result, err := r.applier.Apply(ctx, obj, cached)
	if taken, ok := errors.AsType[*apply.TakenError](err); ok {
		return false, nameTaken(taken)
	}
	if lost, ok := errors.AsType[*apply.LabelLostError](err); ok {
		return false, &outcome.Waiting{Reason: v1beta1.ReasonSelectorDrift, After: takenInterval, Message: fmt.Sprintf(
			"%s; nobody would find it: exempt the namespace from the webhook or policy that changes it", lost)}
	}
	r.countRepair(obj, result)
	changing := result != apply.Unchanged && result != apply.Repaired
	r.awaiting = r.awaiting || changing
	return changing, err
}

func nameTaken(taken *apply.TakenError) error {
	return &outcome.Waiting{Reason: v1beta1.ReasonNameTaken, After: takenInterval, Message: fmt.Sprintf(
		"%s; it is left as it is: delete or rename it, or give the Workspace another name", taken)}
}

// prune deletes what is ours and not wanted any more. A workload of the other kind goes when the new one serves, or at
// once if the rollout leaves no room for both.
func (r *run) prune(ctx context.Context) error {
	if r.planErr != nil || r.workloadErr != nil {
		return nil
	}
	replaced := status.Serves(r.input()) || r.plan.Rollout.MaxSurge.String() == "0" || r.plan.Rollout.MaxSurge.String() == "0%"
	for _, obj := range r.children.Owned {
		if r.isWanted(obj) || obj.GetDeletionTimestamp() != nil || r.isOtherShape(obj) && !replaced {
			continue
		}
		if trust, isTrust := obj.(*corev1.ConfigMap); isTrust {
			if err := r.dropCertificate(ctx, trust); err != nil {
				return err
			}
		}
		if err := r.applier.Delete(ctx, obj); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) isWanted(obj client.Object) bool {
	if r.poolErr != nil && isPoolObject(obj) || r.keepsRoute(obj) {
		return true
	}
	for _, w := range r.wanted {
		if sameObject(w, obj) {
			return true
		}
	}
	return false
}

// repair asks Flux to look at once when something that it installed is gone or changed.
func (r *run) repair(ctx context.Context) error {
	release := r.children.Release
	if !status.NeedsRepair(r.input()) {
		return nil
	}
	asked, again, err := askForRepair(ctx, r.applier, release, r.now)
	r.repairAfter = again
	if asked {
		r.metrics.RepairRequested()
	}
	return err
}
