// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/observe"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

func TestServed(t *testing.T) {
	t.Parallel()
	crd := func(name string, established apiextensionsv1.ConditionStatus, versions ...apiextensionsv1.CustomResourceDefinitionVersion) *apiextensionsv1.CustomResourceDefinition {
		return &apiextensionsv1.CustomResourceDefinition{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       apiextensionsv1.CustomResourceDefinitionSpec{Versions: versions},
			Status: apiextensionsv1.CustomResourceDefinitionStatus{Conditions: []apiextensionsv1.CustomResourceDefinitionCondition{
				{Type: apiextensionsv1.Established, Status: established},
			}},
		}
	}
	version := func(name string) apiextensionsv1.CustomResourceDefinitionVersion {
		return apiextensionsv1.CustomResourceDefinitionVersion{Name: name, Served: true}
	}
	retired := apiextensionsv1.CustomResourceDefinitionVersion{Name: "v1"}
	repository := crd(observe.CRDOCIRepository, apiextensionsv1.ConditionTrue, version("v1beta2"), version("v1"))
	release := crd(observe.CRDHelmRelease, apiextensionsv1.ConditionTrue, version("v2"))
	inferencePool := crd(observe.CRDInferencePool, apiextensionsv1.ConditionTrue, version("v1"))
	leaving := inferencePool.DeepCopy()
	leaving.Finalizers, leaving.DeletionTimestamp = []string{"tests/keep"}, new(metav1.Now())
	type sum struct {
		Flux, InferencePool bool
		Missing             []string
	}
	for name, c := range map[string]struct {
		crds []client.Object
		want sum
	}{
		"none": {nil, sum{Missing: []string{observe.CRDHelmRelease, observe.CRDInferencePool, observe.CRDOCIRepository}}},
		"all":  {[]client.Object{repository, release, inferencePool}, sum{Flux: true, InferencePool: true}},
		"half of Flux": {
			[]client.Object{repository, inferencePool},
			sum{InferencePool: true, Missing: []string{observe.CRDHelmRelease}},
		},
		"others": {
			[]client.Object{repository, release, crd("gateways.networking.istio.io", apiextensionsv1.ConditionTrue, version("v1"))},
			sum{Flux: true, Missing: []string{observe.CRDInferencePool}},
		},
		"only an older version": {
			[]client.Object{repository, crd(observe.CRDHelmRelease, apiextensionsv1.ConditionTrue, version("v2beta2")), inferencePool},
			sum{InferencePool: true, Missing: []string{observe.CRDHelmRelease}},
		},
		"version not served": {
			[]client.Object{repository, release, crd(observe.CRDInferencePool, apiextensionsv1.ConditionTrue, retired)},
			sum{Flux: true, Missing: []string{observe.CRDInferencePool}},
		},
		"not established": {
			[]client.Object{repository, release, crd(observe.CRDInferencePool, apiextensionsv1.ConditionFalse, version("v1"))},
			sum{Flux: true, Missing: []string{observe.CRDInferencePool}},
		},
		"being deleted": {[]client.Object{repository, release, leaving}, sum{Flux: true, Missing: []string{observe.CRDInferencePool}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			served, err := observe.Served(t.Context(), store(t, c.crds...))
			if err != nil {
				t.Fatal(err)
			}
			apis := observe.APIsOf(served)
			got := sum{apis.Flux, apis.InferencePool, apis.MissingForPool(poolOf("v1.5.0"))}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("APIs (-want +got):\n%s", diff)
			}
		})
	}
}

// poolOf is a pool whose Endpoint Picker has the chart's version.
func poolOf(version string) *plan.Pool {
	return &plan.Pool{Chart: configv1alpha1.Chart{Dialect: configv1alpha1.DialectInferencePool, Version: version}}
}

// TestOldPicker: what counts is the version of the Endpoint Picker, which may be configured apart from the chart's.
func TestOldPicker(t *testing.T) {
	t.Parallel()
	apis := observe.APIsOf([]string{observe.CRDHelmRelease, observe.CRDInferencePool, observe.CRDOCIRepository})
	newer := poolOf("v1.2.1")
	newer.EPP.Version = "v1.5.0"
	own := poolOf("v1.2.1")
	own.EPP.Version = "main"
	llmd := poolOf("v0.9.0")
	llmd.Chart.Dialect = configv1alpha1.DialectLLMDRouter
	for name, c := range map[string]struct {
		pool *plan.Pool
		want []string
	}{
		"v1.0.0": {poolOf("v1.0.0"), []string{observe.CRDInferenceObjective}}, "v1.2.1": {poolOf("v1.2.1"), []string{observe.CRDInferenceObjective}},
		"v1.3.0": {poolOf("v1.3.0"), nil}, "newer endpoint picker": {newer, nil}, "own endpoint picker": {own, nil}, "llm-d": {llmd, nil},
	} {
		if diff := cmp.Diff(c.want, apis.MissingForPool(c.pool), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func node(name string, labels map[string]string, change func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Status: corev1.NodeStatus{
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
	}}
	change(n)
	return n
}

func gpus(count string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Status.Allocatable = corev1.ResourceList{"nvidia.com/gpu": resource.MustParse(count), corev1.ResourceCPU: resource.MustParse("8")}
	}
}

// TestFactsNodes selects nodes by every operator of a selector.
func TestFactsNodes(t *testing.T) {
	t.Parallel()
	c := store(t,
		node("d", map[string]string{"pool": "cpu"}, func(*corev1.Node) {}),
		node("a", map[string]string{"pool": "gpu", "zone": "1"}, gpus("2")),
		node("c", map[string]string{"pool": "gpu", "zone": "2", "old": ""}, func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }),
		node("b", map[string]string{"pool": "gpu", "zone": "3"}, func(n *corev1.Node) { n.Spec.Unschedulable = true }))
	expression := func(key string, operator metav1.LabelSelectorOperator, values ...string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: operator, Values: values}}}
	}
	for name, s := range map[string]struct {
		selector *metav1.LabelSelector
		want     []string
	}{
		"no selector":    {nil, []string{"a ready 2", "b", "c", "d ready"}},
		"empty selector": {&metav1.LabelSelector{}, []string{"a ready 2", "b", "c", "d ready"}},
		"labels":         {&metav1.LabelSelector{MatchLabels: map[string]string{"pool": "gpu"}}, []string{"a ready 2", "b", "c"}},
		"in":             {expression("zone", metav1.LabelSelectorOpIn, "1", "2"), []string{"a ready 2", "c"}},
		"not in":         {expression("zone", metav1.LabelSelectorOpNotIn, "1", "2"), []string{"b", "d ready"}},
		"exists":         {expression("old", metav1.LabelSelectorOpExists), []string{"c"}},
		"does not exist": {expression("zone", metav1.LabelSelectorOpDoesNotExist), []string{"d ready"}},
		"nothing":        {expression("zone", metav1.LabelSelectorOpIn, "9"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			facts, err := observer(t, c).Facts(t.Context(), &v1beta1.Workspace{Resource: v1beta1.ResourceSpec{LabelSelector: s.selector}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(s.want, lines(facts.Nodes)); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
		})
	}
	_, err := observer(t, c).Facts(t.Context(), &v1beta1.Workspace{Resource: v1beta1.ResourceSpec{LabelSelector: expression("zone", "Near")}})
	if _, ok := errors.AsType[*outcome.Terminal](err); !ok {
		t.Errorf("a selector that is none: got %v, want Terminal", err)
	}
}

func lines(nodes []plan.Node) []string {
	var all []string
	for _, n := range nodes {
		line := n.Name
		if n.Ready {
			line += " ready"
		}
		if n.Accelerator.Count > 0 {
			line += fmt.Sprintf(" %d", n.Accelerator.Count)
		}
		all = append(all, line)
	}
	return all
}

// TestFactsConfig: nodes are known also while the ConfigMap is missing.
func TestFactsConfig(t *testing.T) {
	t.Parallel()
	config := func(namespace, key string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "tuned"}, Data: map[string]string{key: "vllm: {}"}}
	}
	for name, c := range map[string]struct {
		inference *v1beta1.InferenceSpec
		config    *corev1.ConfigMap
		want      string
		waiting   string
	}{
		"no inference":      {nil, config("models", observe.InferenceConfigKey), "", ""},
		"none named":        {&v1beta1.InferenceSpec{}, config("models", observe.InferenceConfigKey), "", ""},
		"found":             {&v1beta1.InferenceSpec{Config: "tuned"}, config("models", observe.InferenceConfigKey), "vllm: {}", ""},
		"without the key":   {&v1beta1.InferenceSpec{Config: "tuned"}, config("models", "vllm.yaml"), "", v1beta1.ReasonConfigNotFound},
		"another namespace": {&v1beta1.InferenceSpec{Config: "tuned"}, config("default", observe.InferenceConfigKey), "", v1beta1.ReasonConfigNotFound},
		"another name":      {&v1beta1.InferenceSpec{Config: "other"}, config("models", observe.InferenceConfigKey), "", v1beta1.ReasonConfigNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ws := &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: "phi"}, Inference: c.inference}
			facts, err := observer(t, store(t, c.config, node("a", nil, gpus("1")))).Facts(t.Context(), ws)
			waiting, isWaiting := errors.AsType[*outcome.Waiting](err)
			if isWaiting != (c.waiting != "") || isWaiting && waiting.Reason != c.waiting || !isWaiting && err != nil {
				t.Fatalf("got %v, want to wait for %q", err, c.waiting)
			}
			if facts.InferenceConfig != c.want || len(facts.Nodes) != 1 {
				t.Errorf("got config %q and %d nodes, want %q and 1", facts.InferenceConfig, len(facts.Nodes), c.want)
			}
		})
	}
}

// TestChildren tells the Workspace's objects from others that carry its name.
func TestChildren(t *testing.T) {
	t.Parallel()
	ws := &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: "phi", UID: "1"}}
	former := ws.DeepCopy()
	former.UID = "0"
	deployment := func(namespace, name string, labels map[string]string, owner *v1beta1.Workspace) *appsv1.Deployment {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}}
		if owner != nil {
			d.OwnerReferences = []metav1.OwnerReference{controllerRef(owner)}
		}
		return d
	}
	ours := map[string]string{v1beta1.LabelWorkspace: "phi"}
	installed := map[string]string{v1beta1.LabelWorkspace: "phi", helmv2.GroupVersion.Group + "/name": "phi-inferencepool"}
	c := store(t,
		deployment("models", "phi", ours, ws),
		deployment("models", "former", ours, former),
		deployment("models", "copied", ours, nil),
		deployment("models", "epp", installed, nil),
		deployment("models", "other", map[string]string{v1beta1.LabelWorkspace: "llama"}, ws),
		deployment("other", "phi", ours, ws),
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: "phi", Labels: ours, OwnerReferences: []metav1.OwnerReference{controllerRef(ws)}}},
		&helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: "by-hand", Labels: ours}})
	children, err := observer(t, c).Children(t.Context(), ws, observe.APIs{Flux: true})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, obj := range children.Owned {
		names = append(names, obj.GetName())
	}
	if diff := cmp.Diff([]string{"phi", "phi"}, names); diff != "" {
		t.Errorf("owned (-want +got):\n%s", diff)
	}
	if len(children.Deployments) != 1 || children.EPP == nil || children.EPP.Name != "epp" || children.Release != nil {
		t.Errorf("got %d deployments, endpoint picker %v, release %v", len(children.Deployments), children.EPP, children.Release)
	}
	if _, ok := children.Find(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "phi"}}).(*corev1.Service); !ok {
		t.Error("the Service is not found")
	}
	if found := children.Find(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "epp"}}); found != nil {
		t.Errorf("found %v, which is another kind", found)
	}
}

// TestEndpointPicker: it is found without the index that it is left out of, and only the Workspace's own.
func TestEndpointPicker(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long-", 9) + "name"
	var objects []client.Object
	for _, workspace := range []string{"phi", long} {
		pool := plan.PoolName(workspace)
		epp := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{
			Namespace: "models", Name: plan.EPPName(pool),
			Labels: map[string]string{v1beta1.LabelWorkspace: workspace, helmv2.GroupVersion.Group + "/name": pool},
		}}
		if got := observe.IndexedBy(epp); got != nil {
			t.Errorf("%s is in the index, as %v", epp.Name, got)
		}
		objects = append(objects, epp)
	}
	of := observer(t, store(t, objects...))
	for _, workspace := range []string{"phi", long} {
		ws := &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: workspace, UID: "1"}}
		children, err := of.Children(t.Context(), ws, observe.APIs{})
		if err != nil {
			t.Fatal(err)
		}
		if children.EPP == nil || children.EPP.Labels[v1beta1.LabelWorkspace] != workspace {
			t.Errorf("%s has the endpoint picker %v", workspace, children.EPP)
		}
	}
}

// TestPlannedFor: while one workload replaces another, the newer one says what is planned.
func TestPlannedFor(t *testing.T) {
	t.Parallel()
	at := func(name string, second int64, resource string) metav1.ObjectMeta {
		text := fmt.Sprintf(`{"resource":%q,"gpus":{"Count":1,"ResourceName":"nvidia.com/gpu"}}`, resource)
		return metav1.ObjectMeta{
			Name: name, CreationTimestamp: metav1.Unix(second, 0), Annotations: map[string]string{v1beta1.AnnotationPlannedFor: text},
		}
	}
	c := observe.Children{}
	c.Deployments = []*appsv1.Deployment{{ObjectMeta: at("phi", 1, "oldest")}}
	c.StatefulSets = []*appsv1.StatefulSet{
		{ObjectMeta: at("phi-1", 2, "last by name")}, {ObjectMeta: at("phi", 2, "newest")}, {ObjectMeta: metav1.ObjectMeta{Name: "a"}},
	}
	var got []string
	for _, held := range c.PlannedFor() {
		got = append(got, held.Resource)
	}
	if diff := cmp.Diff([]string{"newest", "last by name", "oldest"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
