// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/preset"
)

// Claim is one request that a Workspace's route matches at one Gateway. Of two Workspaces with one claim the older has
// it, as the Gateway API says of routes.
type Claim struct {
	Parent Parent
	// Host is empty for all hosts, Model for all models. Requests have the model by this name.
	Host, Model string
	// spellings are what a manifest may have for Model, it among them.
	spellings []string
}

// Keys are those of ClaimKeys that others with this claim may have. Claims of different listeners have the same ones.
func (c Claim) Keys() []string {
	keys := make([]string, 0, len(c.spellings))
	for _, model := range c.spellings {
		keys = append(keys, claimKey(c.Parent, c.Host, model))
	}
	return keys
}

func claimKey(p Parent, host, model string) string {
	return strings.Join([]string{p.Namespace, p.Name, host, model}, "|")
}

// Excludes says that a request exists which both match.
func (c Claim) Excludes(other Claim) bool {
	return claimKey(c.Parent, c.Host, c.Model) == claimKey(other.Parent, other.Host, other.Model) &&
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

// InsteadOf says what a Workspace can do, beside taking other hostnames, that finds one of its claims with another.
func (p Plan) InsteadOf(c Claim) string {
	switch {
	case c.Model == "":
		return "switch on gateway.bodyBasedRouting in the operator's configuration"
	case p.Server == nil:
		return "other inference.gateway.models"
	case c.Model == p.Models[0]:
		return "delete this one, and raise the other's inference.replicas if one is not enough"
	default:
		return "give the adapter another source.name"
	}
}

// ClaimsOf returns the claims of a Workspace, by its manifest and the catalogue. What can have no route as it is written
// claims nothing.
func ClaimsOf(ws *v1beta1.Workspace, gateway configv1alpha1.Gateway, catalogue preset.Catalogue) []Claim {
	var claims []Claim
	models := claimedModels(ws, gateway, catalogue)
	for _, parent := range ParentsOf(ws, gateway.Default) {
		for _, host := range HostnamesOf(ws) {
			for _, model := range models {
				claims = append(claims, Claim{Parent: parent, Host: host, Model: model, spellings: catalogue.Spellings(model)})
			}
		}
	}
	return claims
}

// ClaimKeys are what a Workspace is indexed over, to be found by those that claim the same. Models are as the manifest
// spells them: which preset a name leads to changes with the catalogue, and an index is not made anew.
func ClaimKeys(ws *v1beta1.Workspace, gateway configv1alpha1.Gateway) []string {
	var keys []string
	for _, parent := range ParentsOf(ws, gateway.Default) {
		for _, host := range HostnamesOf(ws) {
			for _, model := range spelledModels(ws, gateway) {
				keys = append(keys, claimKey(parent, host, model))
			}
		}
	}
	return keys
}

// HostnamesOf are those that a Workspace is offered under; the empty one for all.
func HostnamesOf(ws *v1beta1.Workspace) []string {
	if ws.Inference != nil && ws.Inference.Gateway != nil && len(ws.Inference.Gateway.Hostnames) > 0 {
		return ws.Inference.Gateway.Hostnames
	}
	return []string{""}
}

// claimedModels are the names that a Workspace's route matches; the empty one for all.
func claimedModels(ws *v1beta1.Workspace, gateway configv1alpha1.Gateway, catalogue preset.Catalogue) []string {
	models := spelledModels(ws, gateway)
	switch {
	case ws.Inference == nil, ws.Inference.Preset == nil && !namesPort(ws.Inference.Template):
		return nil
	case ws.Inference.Preset == nil:
		return models
	}
	p, err := catalogue.Lookup(ws.Inference.Preset.Name)
	if err != nil {
		return nil
	}
	if gateway.BodyBasedRouting.Enabled {
		models[0] = p.Name
	}
	return models
}

// spelledModels are what a manifest says of models as far as routes match them, a preset's first.
func spelledModels(ws *v1beta1.Workspace, gateway configv1alpha1.Gateway) []string {
	switch {
	case !gateway.BodyBasedRouting.Enabled:
		return []string{""}
	case ws.Inference == nil || ws.Inference.Preset == nil:
		return namedModels(ws)
	}
	models := []string{strings.ToLower(ws.Inference.Preset.Name)}
	for _, a := range ws.Inference.Adapters {
		if a.Source != nil {
			models = append(models, a.Source.Name)
		}
	}
	return models
}
