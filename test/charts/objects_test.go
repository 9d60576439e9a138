// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
	"sigs.k8s.io/yaml"
)

// objects are what a release installs, by kind, then by name.
type objects struct {
	all             []metav1.PartialObjectMetadata
	pools           map[string]inferencev1.InferencePool
	deployments     map[string]appsv1.Deployment
	services        map[string]corev1.Service
	configMaps      map[string]corev1.ConfigMap
	serviceAccounts map[string]corev1.ServiceAccount
	roles           map[string]rbacv1.Role
	roleBindings    map[string]rbacv1.RoleBinding
	filters         map[string]envoyFilter
	rules           map[string]destinationRule
}

// envoyFilter is what the charts use of Istio's EnvoyFilter, whose types are not known here.
type envoyFilter struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		TargetRefs    []targetRef   `json:"targetRefs"`
		ConfigPatches []configPatch `json:"configPatches"`
	} `json:"spec"`
}

// destinationRule is what the charts use of Istio's DestinationRule.
type destinationRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Host          string         `json:"host"`
		TrafficPolicy map[string]any `json:"trafficPolicy"`
	} `json:"spec"`
}

type targetRef struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
	Name  string `json:"name"`
}

type configPatch struct {
	ApplyTo string `json:"applyTo"`
	Match   struct {
		Context  string         `json:"context"`
		Listener map[string]any `json:"listener"`
	} `json:"match"`
	Patch struct {
		Operation string `json:"operation"`
		Value     struct {
			Name        string         `json:"name"`
			TypedConfig map[string]any `json:"typed_config"`
		} `json:"value"`
	} `json:"patch"`
}

// decode reads a manifest strictly: a field that the kind does not have is one that the API server would refuse or drop.
func decode(t *testing.T, manifest string) objects {
	t.Helper()
	o := objects{
		pools: map[string]inferencev1.InferencePool{}, deployments: map[string]appsv1.Deployment{},
		services: map[string]corev1.Service{}, configMaps: map[string]corev1.ConfigMap{},
		serviceAccounts: map[string]corev1.ServiceAccount{},
		roles:           map[string]rbacv1.Role{}, roleBindings: map[string]rbacv1.RoleBinding{},
		filters: map[string]envoyFilter{}, rules: map[string]destinationRule{},
	}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewBufferString(manifest)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return o
		}
		if err != nil {
			t.Fatal(err)
		}
		o.add(t, document)
	}
}

func (o *objects) add(t *testing.T, document []byte) {
	t.Helper()
	var object metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(document, &object); err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	if object.Kind == "" {
		return
	}
	o.all = append(o.all, object)
	switch object.Kind {
	case "InferencePool":
		put(t, o.pools, object.Name, document)
	case "Deployment":
		put(t, o.deployments, object.Name, document)
	case "Service":
		put(t, o.services, object.Name, document)
	case "ConfigMap":
		put(t, o.configMaps, object.Name, document)
	case "ServiceAccount":
		put(t, o.serviceAccounts, object.Name, document)
	case "Role":
		put(t, o.roles, object.Name, document)
	case "RoleBinding":
		put(t, o.roleBindings, object.Name, document)
	case "EnvoyFilter":
		put(t, o.filters, object.Name, document)
	case "DestinationRule":
		put(t, o.rules, object.Name, document)
	default:
		t.Errorf("the release has a %s %s, of a kind that nothing here knows", object.Kind, object.Name)
	}
}

func put[T any](t *testing.T, into map[string]T, name string, document []byte) {
	t.Helper()
	var object T
	if err := yaml.UnmarshalStrict(document, &object); err != nil {
		t.Errorf("%v\n%s", err, document)
	}
	if _, twice := into[name]; twice {
		t.Errorf("the release has two objects %s of one kind", name)
	}
	into[name] = object
}
