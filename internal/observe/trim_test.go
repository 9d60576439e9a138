// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/accelerator"
	"github.com/workspace-operator/workspace-operator/internal/observe"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
	"github.com/workspace-operator/workspace-operator/internal/status"
	"github.com/workspace-operator/workspace-operator/internal/status/statustest"
)

// store is what the caches hold: objects that the cache options select, trimmed as these say.
func store(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1beta1.AddToScheme,
		sourcev1.AddToScheme, helmv2.AddToScheme, inferencev1.Install, gatewayv1.Install, gatewayv1beta1.Install, route.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	b := fake.NewClientBuilder().WithScheme(scheme)
	for _, kind := range []client.Object{
		&appsv1.Deployment{}, &appsv1.StatefulSet{}, &corev1.Service{}, &corev1.Pod{}, &policyv1.PodDisruptionBudget{},
		&corev1.ConfigMap{}, &sourcev1.OCIRepository{}, &helmv2.HelmRelease{}, &inferencev1.InferencePool{},
		&gatewayv1.HTTPRoute{}, &gatewayv1.BackendTLSPolicy{}, &route.DestinationRule{}, &route.Certificate{},
	} {
		b = b.WithIndex(kind, observe.ByWorkspace, observe.IndexedBy)
	}
	b = withRoutes(b)
	for _, obj := range objects {
		options := cacheOptions(t)
		if isRouting(obj) {
			options = observe.RoutingCacheOptions(untouched)
		}
		if kept := ingest(t, options, obj); kept != nil {
			if kept.GetDeletionTimestamp() != nil {
				// The fake takes no object that is going and has none. Caches keep none, where nobody reads them.
				kept.SetFinalizers([]string{"tests/keep"})
			}
			b = b.WithObjects(kept)
		}
	}
	return b.Build()
}

func cacheOptions(t *testing.T) cache.Options {
	t.Helper()
	options, err := observe.CacheOptions(untouched)
	if err != nil {
		t.Fatal(err)
	}
	return options
}

// untouched only trims.
func untouched(trim func(client.Object)) toolscache.TransformFunc {
	return func(in any) (any, error) {
		trim(in.(client.Object))
		return in, nil
	}
}

// ingest is a copy of the object as the cache would hold it; nil if it would not.
func ingest(t *testing.T, options cache.Options, obj client.Object) client.Object {
	t.Helper()
	selector, transform := options.DefaultLabelSelector, options.DefaultTransform
	for kind, by := range options.ByObject {
		if fmt.Sprintf("%T", kind) == fmt.Sprintf("%T", obj) {
			selector, transform = by.Label, by.Transform
		}
	}
	if selector != nil && !selector.Matches(labels.Set(obj.GetLabels())) {
		return nil
	}
	once, err := transform(obj.DeepCopyObject())
	if err != nil {
		t.Fatal(err)
	}
	kept := once.(client.Object).DeepCopyObject().(client.Object)
	twice, err := transform(once)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(kept, twice); diff != "" {
		t.Errorf("a second transform of %T %s changes it:\n%s", obj, obj.GetName(), diff)
	}
	return kept
}

// TestTrimmedIsEnough takes the cases of internal/status through the caches: the status must be what it is with the whole
// objects.
func TestTrimmedIsEnough(t *testing.T) {
	t.Parallel()
	cases, err := statustest.Cases(os.DirFS(filepath.Join("..", "status", "testdata")))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			var now v1beta1.WorkspaceStatus
			for _, step := range c.Steps {
				whole := step.Input(now)
				trimmed := whole
				trimmed.Children, trimmed.Routing = observed(t, step, whole)
				if diff := cmp.Diff(judge(whole), judge(trimmed)); diff != "" {
					t.Errorf("%s (-whole +trimmed):\n%s", step.Name, diff)
				}
				now = status.Compute(whole)
			}
		})
	}
}

// verdict is all that anybody concludes from children.
type verdict struct {
	Status              v1beta1.WorkspaceStatus
	NeedsRepair, Serves bool
}

func judge(in status.Input) verdict {
	repair := status.NeedsRepair(in) || slices.ContainsFunc(in.Routing.Routers, status.Router.NeedsRepair)
	return verdict{Status: status.Compute(in), NeedsRepair: repair, Serves: status.Serves(in)}
}

// observed is what the Observer finds of a step's objects, once they have gone through the caches.
func observed(t *testing.T, step statustest.Step, whole status.Input) (status.Children, status.Routing) {
	t.Helper()
	ws := &v1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "default", UID: "1"}}
	var objects []client.Object
	for _, o := range step.Objects {
		obj := o.DeepCopyObject().(client.Object)
		name := observe.WorkspaceOf(obj)
		if name != "" {
			ws.Name = name
		}
		_, isPod := obj.(*corev1.Pod)
		if !isPod && name != "" && obj.GetLabels()[helmv2.GroupVersion.Group+"/name"] == "" {
			obj.SetOwnerReferences([]metav1.OwnerReference{controllerRef(ws)})
		}
		objects = append(objects, obj)
	}
	o, apis := observer(t, store(t, objects...)), everything()
	children, err := o.Children(t.Context(), ws, apis)
	if err != nil {
		t.Fatal(err)
	}
	if whole.Plan == nil || whole.Plan.Route == nil || len(whole.Routing.Missing) > 0 {
		return children.Children, whole.Routing
	}
	p := *whole.Plan
	p.Owner.UID = ws.UID
	routing, err := o.Routing(t.Context(), p, apis)
	if err != nil {
		t.Fatal(err)
	}
	routing.Proof, routing.Strangers = whole.Routing.Proof, whole.Routing.Strangers
	return children.Children, routing
}

func observer(t *testing.T, c client.Client) *observe.Observer {
	t.Helper()
	instances, err := accelerator.Default()
	if err != nil {
		t.Fatal(err)
	}
	return observe.New(c, c, configv1alpha1.Configuration{}, instances)
}

func controllerRef(ws *v1beta1.Workspace) metav1.OwnerReference {
	return *metav1.NewControllerRef(ws, v1beta1.GroupVersion.WithKind("Workspace"))
}

// TestNoNews: what happens all the time in a cluster is no change to what the cache holds, and so no reconcile.
func TestNoNews(t *testing.T) {
	t.Parallel()
	later := metav1.NewTime(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	crash := func(id string, restarts int32, at metav1.Time) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: "vllm", ContainerID: id, RestartCount: restarts, LastTerminationState: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, ContainerID: id, FinishedAt: at, Message: "no such model"},
		}}
	}
	pod := func(s ...corev1.ContainerStatus) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{v1beta1.LabelManagedBy: v1beta1.ManagedBy}},
			Status:     corev1.PodStatus{ContainerStatuses: s},
		}
	}
	for name, c := range map[string]struct{ before, after client.Object }{
		"node heartbeat": {&corev1.Node{}, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"lease": "2"}},
			Status: corev1.NodeStatus{
				Conditions: []corev1.NodeCondition{{Type: corev1.NodeMemoryPressure, LastHeartbeatTime: later}},
				Images:     []corev1.ContainerImage{{Names: []string{"x"}}},
			},
		}},
		"node stays Ready": {
			&corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}},
			&corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
				{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: later, Reason: "KubeletReady"},
			}}},
		},
		"same crash again":      {pod(crash("a", 3, metav1.Time{})), pod(crash("b", 4, later))},
		"pod address":           {pod(), &corev1.Pod{ObjectMeta: pod().ObjectMeta, Status: corev1.PodStatus{PodIP: "10.0.0.1", HostIP: "10.0.0.2", StartTime: &later}}},
		"another ConfigMap":     {&corev1.ConfigMap{}, &corev1.ConfigMap{Data: map[string]string{"ca.crt": "…"}, BinaryData: map[string][]byte{"x": {1}}}},
		"CRD schema":            {&apiextensionsv1.CustomResourceDefinition{}, &apiextensionsv1.CustomResourceDefinition{Spec: apiextensionsv1.CustomResourceDefinitionSpec{Conversion: &apiextensionsv1.CustomResourceConversion{}}}},
		"certificate requested": {requested("1"), requested("2")},
		"inventory of release":  {release(nil), release(&helmv2.ResourceInventory{Entries: []helmv2.ResourceRef{{ID: "x"}}})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := cacheOptions(t)
			if diff := cmp.Diff(ingest(t, options, c.before), ingest(t, options, c.after)); diff != "" {
				t.Errorf("the cache takes it for a change:\n%s", diff)
			}
		})
	}
}

// requested is a Certificate of which cert-manager has said what nobody reads.
func requested(name string) *route.Certificate {
	return &route.Certificate{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{v1beta1.LabelWorkspace: "x"}},
		Spec:       route.CertificateSpec{SecretName: name, DNSNames: []string{name}},
	}
}

func release(inventory *helmv2.ResourceInventory) *helmv2.HelmRelease {
	return &helmv2.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{v1beta1.LabelWorkspace: "x"}},
		Status:     helmv2.HelmReleaseStatus{Inventory: inventory},
	}
}
