// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// istioRoot is where Istio looks for rules last, even for a gateway that runs there (the default of its rootNamespace).
const istioRoot = "istio-system"

// rules adds the DestinationRules of others that Istio may follow on the way to the Endpoint Picker. It takes the first
// that it finds: in the gateway's namespace, also by wildcard; then in the Service's, where of several with one host the
// oldest wins, and a wildcard loses to ours (pilot/pkg/model/push_context.go, destinationRule).
func (o *Observer) rules(ctx context.Context, p plan.Plan, r *status.Routing) error {
	if p.Route.Implementation != configv1alpha1.ImplementationIstio {
		return nil
	}
	host := route.PickerHost(p)
	asked := map[string][]string{p.Namespace: {host}}
	for _, parent := range p.Route.Parents {
		if parent.Namespace != istioRoot && asked[parent.Namespace] == nil {
			asked[parent.Namespace] = []string{host, AnyHost}
		}
	}
	for namespace, keys := range asked {
		for _, key := range keys {
			found, err := o.rulesFor(ctx, host, namespace, key)
			if err != nil {
				return err
			}
			r.Rules = append(r.Rules, found...)
		}
	}
	slices.SortFunc(r.Rules, func(a, b *route.DestinationRule) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return nil
}

// rulesFor are those of a namespace and an entry of the index that are for a host.
func (o *Observer) rulesFor(ctx context.Context, host, namespace, key string) ([]*route.DestinationRule, error) {
	list := &route.DestinationRuleList{}
	if err := o.routes.List(ctx, list, client.InNamespace(namespace), client.MatchingFields{ByHost: key}); err != nil {
		return nil, fmt.Errorf("listing DestinationRules: %w", err)
	}
	var found []*route.DestinationRule
	for i := range list.Items {
		if rule := &list.Items[i]; rule.Covers(host) {
			found = append(found, rule)
		}
	}
	return found, nil
}

// HostsOf are the entries of a DestinationRule in the index ByHost.
func HostsOf(rule *route.DestinationRule) []string {
	if owner := metav1.GetControllerOf(rule); owner != nil && owner.Kind == "Workspace" {
		return nil
	}
	host := rule.FullHost()
	if strings.HasPrefix(host, "*") {
		return []string{AnyHost}
	}
	return []string{host}
}
