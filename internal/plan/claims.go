// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// Claim is one request that a Workspace's route matches at one Gateway. Of two Workspaces with one claim the older has
// it, as the Gateway API says of routes.
type Claim struct {
	Parent Parent
	// Host is empty for all hosts, Model for all models.
	Host, Model string
}

// Key is the same for claims that may exclude each other: those of different listeners still have to be compared.
func (c Claim) Key() string {
	return strings.Join([]string{c.Parent.Namespace, c.Parent.Name, c.Host, c.Model}, "|")
}

// Excludes says that a request exists which both match.
func (c Claim) Excludes(other Claim) bool {
	return c.Key() == other.Key() &&
		(c.Parent.Section == other.Parent.Section || c.Parent.Section == "" || other.Parent.Section == "")
}

func (c Claim) String() string {
	host, model := "all hosts", "all models"
	if c.Host != "" {
		host = "host " + c.Host
	}
	if c.Model != "" {
		model = "model " + c.Model
	}
	return fmt.Sprintf("%s on %s at Gateway %s", model, host, c.Parent)
}

// ClaimsOf returns the claims of a Workspace, by its manifest alone.
func ClaimsOf(ws *v1beta1.Workspace, gateway configv1alpha1.Gateway) []Claim {
	hosts := HostnamesOf(ws)
	models := []string{""}
	if gateway.BodyBasedRouting.Enabled {
		models = askedModels(ws)
	}
	var claims []Claim
	for _, parent := range ParentsOf(ws, gateway.Default) {
		for _, host := range hosts {
			for _, model := range models {
				claims = append(claims, Claim{Parent: parent, Host: host, Model: model})
			}
		}
	}
	return claims
}

// HostnamesOf are those that a Workspace is offered under; the empty one for all.
func HostnamesOf(ws *v1beta1.Workspace) []string {
	if ws.Inference != nil && ws.Inference.Gateway != nil && len(ws.Inference.Gateway.Hostnames) > 0 {
		return ws.Inference.Gateway.Hostnames
	}
	return []string{""}
}

// askedModels are the names of the models that a manifest asks for; the empty one for a template, whose are not known.
func askedModels(ws *v1beta1.Workspace) []string {
	if ws.Inference == nil || ws.Inference.Preset == nil {
		return []string{""}
	}
	models := []string{strings.ToLower(ws.Inference.Preset.Name)}
	for _, a := range ws.Inference.Adapters {
		if a.Source != nil {
			models = append(models, a.Source.Name)
		}
	}
	return models
}
