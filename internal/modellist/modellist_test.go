// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package modellist_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/modellist"
	"github.com/workspace-operator/workspace-operator/internal/observe"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

func workspace(name string, routed metav1.ConditionStatus, models ...string) *v1beta1.Workspace {
	ws := &v1beta1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: name, CreationTimestamp: metav1.NewTime(time.Unix(1700000000, 0))},
		Inference: &v1beta1.InferenceSpec{Gateway: &v1beta1.GatewaySpec{
			ParentRefs: []v1beta1.GatewayReference{{Name: "shared", Namespace: "gateways"}},
		}},
	}
	ws.Status.Models = models
	ws.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionRouteReady, Status: routed}}
	return ws
}

func server(t *testing.T, workspaces ...client.Object) *modellist.Server {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(workspaces...).
		WithIndex(&v1beta1.Workspace{}, observe.ByGateway, func(obj client.Object) []string {
			var keys []string
			for _, parent := range plan.ParentsOf(obj.(*v1beta1.Workspace), nil) {
				keys = append(keys, parent.Namespace+"/"+parent.Name)
			}
			return keys
		}).Build()
	return &modellist.Server{Workspaces: reader}
}

func TestServeHTTP(t *testing.T) {
	t.Parallel()
	s := server(t, workspace("phi", metav1.ConditionTrue, "phi-4", "tuned"), workspace("new", metav1.ConditionFalse, "mistral"))
	const phi = `{"id":"phi-4","object":"model","created":1700000000,"owned_by":"workspace-operator","root":"phi-4"}`
	const tuned = `{"id":"tuned","object":"model","created":1700000000,"owned_by":"workspace-operator","root":"phi-4"}`
	for _, c := range []struct {
		method, path, gateway, model string
		code                         int
		want                         string
	}{
		{"GET", "/v1/models", "gateways/shared", "", 200, `{"object":"list","data":[` + phi + "," + tuned + "]}"},
		{"GET", "/v1/models", "gateways/other", "", 200, `{"object":"list","data":[]}`},
		{
			"POST", "/v1/chat/completions", "gateways/shared", "gpt-5", 404,
			"{\"error\":{\"message\":\"The model `gpt-5` does not exist. The models here are: phi-4, tuned.\"," +
				`"type":"invalid_request_error","param":"model","code":"model_not_found"}}`,
		},
		{
			"POST", "/v1/completions", "gateways/shared", "", 404,
			"{\"error\":{\"message\":\"The request names no model: write its name into the field `model` of the body. The models here are: phi-4, tuned.\"," +
				`"type":"invalid_request_error","param":"model","code":"model_not_found"}}`,
		},
		{
			"POST", "/v1/models", "gateways/other", "a", 404,
			"{\"error\":{\"message\":\"The model `a` does not exist. There are no models here yet.\"," +
				`"type":"invalid_request_error","param":"model","code":"model_not_found"}}`,
		},
	} {
		request := httptest.NewRequestWithContext(t.Context(), c.method, c.path, http.NoBody)
		request.Header.Set(plan.GatewayHeader, c.gateway)
		if c.model != "" {
			request.Header.Set(plan.ModelHeader, c.model)
		}
		got := httptest.NewRecorder()
		s.ServeHTTP(got, request)
		if got.Code != c.code || got.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: code %d, %s", c.method, c.path, got.Code, got.Header().Get("Content-Type"))
		}
		if diff := cmp.Diff(c.want, strings.TrimSpace(got.Body.String())); diff != "" {
			t.Errorf("%s %s: -want +got:\n%s", c.method, c.path, diff)
		}
	}
}

// TestHosts: what is listed is what requests for that host reach, each model once.
func TestHosts(t *testing.T) {
	t.Parallel()
	at := func(name string, age int, models []string, hostnames ...string) *v1beta1.Workspace {
		ws := workspace(name, metav1.ConditionTrue, models...)
		ws.CreationTimestamp = metav1.NewTime(ws.CreationTimestamp.Add(-time.Duration(age) * time.Hour))
		ws.Inference.Gateway.Hostnames = hostnames
		return ws
	}
	custom := at("custom", 0, []string{"mine", "ours"}, "own.example.com")
	custom.Inference.Template = &corev1.PodTemplateSpec{}
	s := server(t,
		at("everywhere", 0, []string{"phi-4"}),
		at("a", 0, []string{"llama", "tuned"}, "a.example.com"),
		at("b", 1, []string{"qwen", "tuned"}, "a.example.com", "b.example.com"),
		at("below", 0, []string{"mistral"}, "*.example.com"),
		at("deeper", 0, []string{"gemma"}, "*.deep.example.com"),
		custom,
	)
	for host, want := range map[string]string{
		"a.example.com":             "llama<llama, qwen<qwen, tuned<qwen",
		"A.Example.com:8080":        "llama<llama, qwen<qwen, tuned<qwen",
		"b.example.com.":            "qwen<qwen, tuned<qwen",
		"c.example.com":             "mistral<mistral",
		"c.d.example.com":           "mistral<mistral",
		"x.deep.example.com":        "gemma<gemma",
		"deep.example.com":          "mistral<mistral",
		"own.example.com":           "mine<mine, ours<ours",
		"example.com":               "phi-4<phi-4",
		"192.0.2.10":                "phi-4<phi-4",
		"[2001:db8::1]:80":          "phi-4<phi-4",
		"evil-a.example.com.org:80": "phi-4<phi-4",
	} {
		if diff := cmp.Diff(want, listed(t, s, host)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", host, diff)
		}
	}
}

// listed are the models at a host, as ID<ROOT.
func listed(t *testing.T, s *modellist.Server, host string) string {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/models", http.NoBody)
	request.Host = host
	request.Header.Set(plan.GatewayHeader, "gateways/shared")
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, request)
	var list struct{ Data []modellist.Model }
	if err := json.Unmarshal(answer.Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	var models []string
	for _, m := range list.Data {
		models = append(models, m.ID+"<"+m.Root)
	}
	return strings.Join(models, ", ")
}

// TestNoWayYet: a model that is there is never said not to be.
func TestNoWayYet(t *testing.T) {
	t.Parallel()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/completions", http.NoBody)
	request.Header.Set(plan.GatewayHeader, "gateways/shared")
	request.Header.Set(plan.ModelHeader, "phi-4")
	got := httptest.NewRecorder()
	server(t, workspace("phi", metav1.ConditionTrue, "phi-4")).ServeHTTP(got, request)
	if !strings.Contains(got.Body.String(), "The model `phi-4` is offered here, but the gateway knows no way to it yet") {
		t.Errorf("answered %s", got.Body.String())
	}
}

// TestNotProved: whoever asks here has reached the Gateway, even if the operator cannot, or sees that its Endpoint Picker is
// passed by. Who is answered by another does not reach the model.
func TestNotProved(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]bool{
		v1beta1.ReasonGatewayNotReachable: true, v1beta1.ReasonProbeRefused: true, v1beta1.ReasonPickerBypassed: true,
		v1beta1.ReasonGatewayRequestFailed: false, v1beta1.ReasonRouteProgressing: false,
	} {
		ws := workspace("phi", metav1.ConditionFalse, "phi-4")
		ws.Status.Conditions[0].Reason = reason
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/models", http.NoBody)
		request.Header.Set(plan.GatewayHeader, "gateways/shared")
		got := httptest.NewRecorder()
		server(t, ws).ServeHTTP(got, request)
		if listed := strings.Contains(got.Body.String(), `"id":"phi-4"`); listed != want {
			t.Errorf("%s: listed %s", reason, got.Body.String())
		}
	}
}
