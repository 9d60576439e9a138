// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package statustest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

// installedBy is put by helm-controller on everything that it installs.
const installedBy = "helm.toolkit.fluxcd.io/name"

// Object is any object of the world.
type Object interface {
	metav1.Object
	runtime.Object
}

func decodeObject(data json.RawMessage) (Object, error) {
	var meta metav1.TypeMeta
	if err := json.Unmarshal(data, &meta); err != nil {
		return nil, err
	}
	var object Object
	switch meta.Kind {
	case "Deployment":
		object = &appsv1.Deployment{}
	case "StatefulSet":
		object = &appsv1.StatefulSet{}
	case "Pod":
		object = &corev1.Pod{}
	case "OCIRepository":
		object = &sourcev1.OCIRepository{}
	case "HelmRelease":
		object = &helmv2.HelmRelease{}
	case "InferencePool":
		object = &inferencev1.InferencePool{}
	case "Gateway":
		object = &gatewayv1.Gateway{}
	case "GatewayClass":
		object = &gatewayv1.GatewayClass{}
	case "HTTPRoute":
		object = &gatewayv1.HTTPRoute{}
	case "DestinationRule":
		object = &route.DestinationRule{}
	default:
		return nil, fmt.Errorf("kind %q is not one that status is computed from", meta.Kind)
	}
	return object, decode(data, object)
}

// Children sorts objects as internal/observe does.
func Children(objects map[string]Object) status.Children {
	var c status.Children
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		switch o := objects[name].(type) {
		case *appsv1.Deployment:
			// The model's and the endpoint picker's carry the Workspace's name; only Helm's says who installed it.
			switch {
			case o.Labels[v1beta1.LabelWorkspace] == "":
			case o.Labels[installedBy] != "":
				c.EPP = o
			default:
				c.Deployments = append(c.Deployments, o)
			}
		case *appsv1.StatefulSet:
			c.StatefulSets = append(c.StatefulSets, o)
		case *corev1.Pod:
			switch {
			case o.Labels[v1beta1.LabelEndpointPicker] != "":
				c.EPPPods = append(c.EPPPods, o)
			case o.Labels[v1beta1.LabelGateway] == "":
				c.Pods = append(c.Pods, o)
			}
		case *sourcev1.OCIRepository:
			c.Repository = o
		case *helmv2.HelmRelease:
			if o.Labels[v1beta1.LabelGateway] == "" {
				c.Release = o
			}
		case *inferencev1.InferencePool:
			c.InferencePool = o
		}
	}
	return c
}

// Routing sorts objects as internal/observe does.
func Routing(objects map[string]Object) status.Routing {
	var r status.Routing
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		switch o := objects[name].(type) {
		case *gatewayv1.Gateway:
			r.Gateways = append(r.Gateways, o)
		case *gatewayv1.GatewayClass:
			r.Classes = append(r.Classes, o)
		case *gatewayv1.HTTPRoute:
			if o.Labels[v1beta1.LabelWorkspace] != "" {
				r.Route = o
			} else {
				r.Foreign = append(r.Foreign, o)
			}
		case *route.DestinationRule:
			r.Rules = append(r.Rules, o)
		case *helmv2.HelmRelease:
			if o.Labels[v1beta1.LabelGateway] != "" {
				r.Routers = append(r.Routers, router(o, objects))
			}
		}
	}
	return r
}

// router is what belongs to a release of body-based routing.
func router(release *helmv2.HelmRelease, objects map[string]Object) status.Router {
	r := status.Router{Release: release}
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		switch o := objects[name].(type) {
		case *appsv1.Deployment:
			if o.Namespace == release.Namespace && o.Name == release.Name && o.Labels[installedBy] == release.Name {
				r.Deployment = o
			}
		case *corev1.Pod:
			if o.Namespace == release.Namespace && o.Labels[v1beta1.LabelGateway] == release.Name {
				r.Pods = append(r.Pods, o)
			}
		}
	}
	return r
}
