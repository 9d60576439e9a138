// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package floor is what the API server itself costs: the objects that the operator writes for a Workspace, rendered once
// and written by plain client-go, without looking at anything.
package floor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/accelerator"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/preset"
	"github.com/workspace-operator/workspace-operator/internal/render/pool"
	"github.com/workspace-operator/workspace-operator/internal/render/workload"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/fleet"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/lab"
)

// Workers is how many requests are open at once.
const Workers = 20

// UserAgent is how the floor shows in the audit log.
const UserAgent = "scale-floor"

const (
	placeholder    = "name-of-workspace"
	placeholderUID = "00000000-0000-0000-0000-000000000000"
)

// child is one object, as the JSON that is sent but for name and uid.
type child struct {
	path string
	json []byte
}

type writer struct {
	api      rest.Interface
	children []child
	status   []byte
}

// Run writes the children and one status of every Workspace that is created, until it has seen so many.
func Run(ctx context.Context, config *rest.Config, count int) error {
	w := &writer{}
	var err error
	if w.children, w.status, err = render(); err != nil {
		return err
	}
	config = rest.CopyConfig(config)
	config.GroupVersion = &schema.GroupVersion{}
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	if w.api, err = rest.UnversionedRESTClientFor(config); err != nil {
		return fmt.Errorf("making the floor's client: %w", err)
	}
	// One that fails ends all: the others would be measured without what it did.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	names := make(chan metav1.ObjectMeta, count)
	done := make(chan error, Workers)
	for range Workers {
		go func() {
			err := w.work(ctx, names)
			if err != nil {
				cancel()
			}
			done <- err
		}()
	}
	err = w.watch(ctx, count, names)
	close(names)
	for range Workers {
		err = errors.Join(err, <-done)
	}
	return err
}

// watch sends every Workspace that is created.
func (w *writer) watch(ctx context.Context, count int, names chan<- metav1.ObjectMeta) error {
	stream, err := w.api.Get().AbsPath("/apis/kaito.sh/v1beta1/namespaces/"+lab.Models+"/workspaces").
		Param("watch", "true").Stream(ctx)
	if err != nil {
		return fmt.Errorf("watching Workspaces: %w", err)
	}
	defer func() { _ = stream.Close() }()
	decoder := json.NewDecoder(stream)
	for seen := 0; seen < count; {
		var event struct {
			Type   string
			Object struct {
				Metadata metav1.ObjectMeta `json:"metadata"`
			}
		}
		if err := decoder.Decode(&event); err != nil {
			return fmt.Errorf("watching Workspaces: %w", err)
		}
		if event.Type == "ADDED" {
			names <- event.Object.Metadata
			seen++
		}
	}
	return nil
}

func (w *writer) work(ctx context.Context, names <-chan metav1.ObjectMeta) error {
	for meta := range names {
		for _, c := range w.children {
			if err := w.api.Post().AbsPath(c.path).Body(fill(c.json, meta)).SetHeader("Content-Type", "application/json").Do(ctx).Error(); err != nil {
				return fmt.Errorf("creating %s of %s: %w", c.path, meta.Name, err)
			}
		}
		path := "/apis/kaito.sh/v1beta1/namespaces/" + lab.Models + "/workspaces/" + meta.Name + "/status"
		if err := w.api.Patch(types.MergePatchType).AbsPath(path).Body(fill(w.status, meta)).Do(ctx).Error(); err != nil {
			return fmt.Errorf("writing status of %s: %w", meta.Name, err)
		}
	}
	return nil
}

func fill(text []byte, meta metav1.ObjectMeta) []byte {
	text = bytes.ReplaceAll(text, []byte(placeholder), []byte(meta.Name))
	return bytes.ReplaceAll(text, []byte(placeholderUID), []byte(meta.UID))
}

// render returns what the operator would write for a Workspace of the fleet.
func render() ([]child, []byte, error) {
	ws := fleet.New(placeholder)
	ws.UID = placeholderUID
	p, err := planOf(ws)
	if err != nil {
		return nil, nil, err
	}
	load, err := workload.Render(p)
	if err != nil {
		return nil, nil, fmt.Errorf("rendering the workload: %w", err)
	}
	flux, err := pool.Render(p, load.Shape())
	if err != nil {
		return nil, nil, fmt.Errorf("rendering the pool: %w", err)
	}
	var objects []child
	for _, obj := range load.Services {
		objects = append(objects, childOf(obj))
	}
	for _, obj := range load.Workloads() {
		objects = append(objects, childOf(obj))
	}
	for _, obj := range flux.All() {
		objects = append(objects, childOf(obj))
	}
	status, err := json.Marshal(map[string]any{"status": statusOf()})
	return objects, status, err
}

func childOf(obj client.Object) child {
	text, err := json.Marshal(obj)
	if err != nil {
		panic(err) // rendered objects have no values that JSON lacks
	}
	return child{path: pathOf(obj), json: text}
}

func planOf(ws *v1beta1.Workspace) (plan.Plan, error) {
	models, err := preset.Default()
	if err != nil {
		return plan.Plan{}, err
	}
	instances, err := accelerator.Default()
	if err != nil {
		return plan.Plan{}, err
	}
	model, err := models.Lookup(ws.Inference.Preset.Name)
	if err != nil {
		return plan.Plan{}, err
	}
	config := configv1alpha1.Configuration{}
	config.FeatureGates.GatewayAPIInferenceExtension = true
	configv1alpha1.Default(&config)
	p, err := plan.New(ws, model, plan.Facts{Config: config, Instances: instances})
	if err != nil {
		return plan.Plan{}, fmt.Errorf("planning: %w", err)
	}
	return p, nil
}

func pathOf(obj client.Object) string {
	gvk := obj.GetObjectKind().GroupVersionKind()
	resource := strings.ToLower(gvk.Kind) + "s"
	if gvk.Kind == "OCIRepository" {
		resource = "ocirepositories"
	}
	root := "/apis/" + gvk.Group + "/" + gvk.Version
	if gvk.Group == "" {
		root = "/api/" + gvk.Version
	}
	return root + "/namespaces/" + lab.Models + "/" + resource
}

// statusOf is a status as large as a ready Workspace's.
func statusOf() v1beta1.WorkspaceStatus {
	s := v1beta1.WorkspaceStatus{
		ObservedGeneration: 1, Replicas: 1, ReadyReplicas: 1, ReadyOfReplicas: "1/1", TargetNodeCount: 1,
		WorkerNodes: []string{"gpu-0000"}, Models: []string{"phi-4-mini-instruct"},
		Workload:      &v1beta1.WorkloadStatus{Kind: "Deployment", Name: placeholder},
		InferencePool: &v1beta1.InferencePoolStatus{Name: placeholder + "-inferencepool", EPPService: placeholder + "-inferencepool-epp", Version: "1.5.0"},
		Endpoint:      "http://" + placeholder + "." + lab.Models + ".svc",
	}
	for _, kind := range []string{
		v1beta1.ConditionResourceReady, v1beta1.ConditionInferenceReady, v1beta1.ConditionInferencePoolReady,
		v1beta1.ConditionReady, v1beta1.ConditionWorkspaceSucceeded,
	} {
		s.Conditions = append(s.Conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: v1beta1.ReasonReady, Message: "as large as a real message is, more or less",
			ObservedGeneration: 1, LastTransitionTime: metav1.NewTime(time.Now()),
		})
	}
	return s
}
