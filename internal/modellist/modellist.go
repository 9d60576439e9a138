// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package modellist answers what no model answers at a Gateway with body-based routing: which models there are, and
// requests for one that is not.
package modellist

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/observe"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

const (
	listPath     = "/v1/models"
	readTimeout  = 10 * time.Second
	drainTimeout = 5 * time.Second
)

// Model is one entry of the list, in OpenAI's form.
type Model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	// OwnedBy is the same for all: whoever asks need not know of namespaces and Workspaces.
	OwnedBy string `json:"owned_by"`
	// Root is the model that an adapter belongs to, and a model's own name otherwise.
	Root string `json:"root"`
}

type list struct {
	Object string  `json:"object"`
	Data   []Model `json:"data"`
}

type failure struct {
	Error problem `json:"error"`
}

type problem struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Param   string `json:"param"`
	Code    string `json:"code"`
}

// Server serves the list on every replica of the operator.
type Server struct {
	Address string
	// Workspaces has the index observe.ByGateway.
	Workspaces client.Reader
}

// NeedLeaderElection says that the replicas that stand by answer as well.
func (s *Server) NeedLeaderElection() bool { return false }

// Start serves until ctx ends.
func (s *Server) Start(ctx context.Context) error {
	server := &http.Server{
		Handler: s, ReadTimeout: readTimeout, ReadHeaderTimeout: readTimeout,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("serving the list of models: %w", err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	select {
	case err := <-stopped:
		return fmt.Errorf("serving the list of models: %w", err)
	case <-ctx.Done():
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		return server.Shutdown(drain)
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	models, err := s.models(r.Context(), r.Header.Get(plan.GatewayHeader), hostname(r.Host))
	if err != nil {
		write(w, http.StatusInternalServerError, failure{Error: problem{Message: "the list of models is not available", Type: "server_error"}})
		return
	}
	if r.Method == http.MethodGet && strings.TrimSuffix(r.URL.Path, "/") == listPath {
		write(w, http.StatusOK, list{Object: "list", Data: models})
		return
	}
	write(w, http.StatusNotFound, failure{Error: problem{
		Message: message(r.Header.Get(plan.ModelHeader), models), Type: "invalid_request_error", Param: "model", Code: "model_not_found",
	}})
}

func message(asked string, models []Model) string {
	names := make([]string, 0, len(models))
	for _, m := range models {
		names = append(names, m.ID)
	}
	offered := "There are no models here yet."
	if len(names) > 0 {
		offered = "The models here are: " + strings.Join(names, ", ") + "."
	}
	if slices.Contains(names, asked) {
		return fmt.Sprintf("The model `%s` is offered here, but the gateway knows no way to it yet: try again in a moment.", asked)
	}
	if asked == "" {
		return "The request names no model: write its name into the field `model` of the body. " + offered
	}
	return fmt.Sprintf("The model `%s` does not exist. %s", asked, offered)
}

// models are those that requests for a host of a Gateway can reach, each once, in the order of their names.
func (s *Server) models(ctx context.Context, gateway, host string) ([]Model, error) {
	all := &v1beta1.WorkspaceList{}
	if err := s.Workspaces.List(ctx, all, client.MatchingFields{observe.ByGateway: gateway}); err != nil {
		return nil, fmt.Errorf("listing Workspaces at Gateway %s: %w", gateway, err)
	}
	models := []Model{}
	for _, ws := range at(host, all.Items) {
		if !routed(ws) {
			continue
		}
		for _, name := range ws.Status.Models {
			models = append(models, Model{
				ID: name, Object: "model", Created: ws.CreationTimestamp.Unix(), OwnedBy: v1beta1.ManagedBy, Root: root(ws, name),
			})
		}
	}
	slices.SortStableFunc(models, func(a, b Model) int { return cmp.Or(strings.Compare(a.ID, b.ID), cmp.Compare(a.Created, b.Created)) })
	return slices.CompactFunc(models, func(a, b Model) bool { return a.ID == b.ID }), nil
}

// root is the preset that an adapter belongs to. What the names of a template have to do with each other nobody knows.
func root(ws *v1beta1.Workspace, name string) string {
	if ws.Inference != nil && ws.Inference.Template != nil {
		return name
	}
	return ws.Status.Models[0]
}

// routed says whether requests for a Workspace get through, as far as is known. That the operator itself cannot reach the
// Gateway, or is not let through, says nothing about those who ask there; and whoever passes the Endpoint Picker by gets
// an answer.
func routed(ws *v1beta1.Workspace) bool {
	c := meta.FindStatusCondition(ws.Status.Conditions, v1beta1.ConditionRouteReady)
	if c == nil {
		return false
	}
	switch c.Reason {
	case v1beta1.ReasonGatewayNotReachable, v1beta1.ReasonProbeRefused, v1beta1.ReasonPickerBypassed:
		return true
	default:
		return c.Status == metav1.ConditionTrue
	}
}

func write(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// Whoever asked has gone if this fails.
	_ = json.NewEncoder(w).Encode(body)
}
