// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
)

// question is one line of the table in docs/security.md.
type question struct {
	verb, group, resource, namespace, name string
	// never is asked only to hear no, of everybody.
	never bool
}

func questions() []question {
	const elsewhere = "models"
	all := []question{
		{verb: "list", group: "kaito.sh", resource: "workspaces"},
		{verb: "patch", group: "kaito.sh", resource: "workspaces/status"},
		{verb: "update", group: "kaito.sh", resource: "workspaces", never: true},
		{verb: "delete", group: "kaito.sh", resource: "workspaces", never: true},
		{verb: "create", group: "apps", resource: "deployments"},
		{verb: "create", group: "apps", resource: "statefulsets"},
		{verb: "create", group: "apps", resource: "daemonsets", never: true},
		{verb: "create", resource: "services"},
		{verb: "list", resource: "pods"},
		{verb: "create", resource: "pods"},
		{verb: "delete", resource: "pods", never: true},
		{verb: "create", resource: "pods/exec", never: true},
		{verb: "list", resource: "nodes"},
		{verb: "patch", resource: "nodes", never: true},
		{verb: "list", resource: "configmaps"},
		{verb: "create", resource: "configmaps"},
		{verb: "create", group: "gateway.networking.k8s.io", resource: "httproutes"},
		{verb: "create", group: "gateway.networking.k8s.io", resource: "backendtlspolicies"},
		{verb: "create", group: "networking.istio.io", resource: "destinationrules"},
		{verb: "create", group: "cert-manager.io", resource: "certificates"},
		{verb: "list", group: "gateway.networking.k8s.io", resource: "gateways"},
		{verb: "patch", group: "gateway.networking.k8s.io", resource: "gateways", never: true},
		{verb: "create", group: "networking.istio.io", resource: "envoyfilters"},
		{verb: "create", group: "source.toolkit.fluxcd.io", resource: "ocirepositories"},
		{verb: "patch", group: "source.toolkit.fluxcd.io", resource: "ocirepositories"},
		{verb: "create", group: "source.toolkit.fluxcd.io", resource: "gitrepositories", never: true},
		{verb: "create", group: "helm.toolkit.fluxcd.io", resource: "helmreleases"},
		{verb: "patch", group: "helm.toolkit.fluxcd.io", resource: "helmreleases"},
		{verb: "list", group: "inference.networking.k8s.io", resource: "inferencepools"},
		{verb: "patch", group: "inference.networking.k8s.io", resource: "inferencepools"},
		{verb: "create", group: "inference.networking.k8s.io", resource: "inferencepools"},
		{verb: "create", group: "rbac.authorization.k8s.io", resource: "roles"},
		{verb: "create", group: "rbac.authorization.k8s.io", resource: "rolebindings"},
		{verb: "create", resource: "serviceaccounts"},
		{verb: "impersonate", resource: "serviceaccounts", name: "pool-installer"},
		{verb: "list", group: "apiextensions.k8s.io", resource: "customresourcedefinitions"},
	}
	for _, in := range []string{elsewhere, namespace} {
		for _, verb := range []string{"get", "list", "create", "patch", "delete"} {
			all = append(all, question{verb: verb, resource: "secrets", namespace: in})
		}
	}
	all = append(all,
		question{verb: "get", resource: "secrets", namespace: elsewhere, name: "registry-credentials"},
		question{verb: "get", resource: "secrets", namespace: namespace, name: "workspace-operator-ca"},
		question{verb: "update", group: "coordination.k8s.io", resource: "leases", namespace: namespace},
		question{verb: "update", group: "coordination.k8s.io", resource: "leases", namespace: elsewhere, never: true})
	for _, never := range []question{
		{verb: "watch", resource: "secrets"},
		{verb: "create", group: "rbac.authorization.k8s.io", resource: "clusterroles"},
		{verb: "create", group: "rbac.authorization.k8s.io", resource: "clusterrolebindings"},
		{verb: "escalate", group: "rbac.authorization.k8s.io", resource: "roles"},
		{verb: "bind", group: "rbac.authorization.k8s.io", resource: "roles"},
		{verb: "impersonate", resource: "serviceaccounts", name: "default"},
		{verb: "impersonate", resource: "users", name: "admin"},
		{verb: "create", resource: "serviceaccounts/token"},
		{verb: "create", group: "apiextensions.k8s.io", resource: "customresourcedefinitions"},
		{verb: "create", group: "admissionregistration.k8s.io", resource: "validatingwebhookconfigurations"},
		{verb: "create", resource: "namespaces"},
		{verb: "delete", resource: "namespaces"},
		{verb: "create", group: "batch", resource: "jobs"},
		{verb: "create", group: "networking.k8s.io", resource: "networkpolicies"},
		{verb: "get", resource: "nodes/proxy"},
		{verb: "*", group: "*", resource: "*"},
	} {
		never.never = true
		all = append(all, never)
	}
	return all
}

// text is the question in kubectl's words.
func (q question) text() string {
	words := "kubectl auth can-i " + q.verb + " " + q.resource
	if q.group != "" && q.group != "*" {
		resource, subresource, sub := strings.Cut(q.resource, "/")
		words = "kubectl auth can-i " + q.verb + " " + resource + "." + q.group
		if sub {
			words += " --subresource " + subresource
		}
	} else if resource, subresource, sub := strings.Cut(q.resource, "/"); sub {
		words = "kubectl auth can-i " + q.verb + " " + resource + " --subresource " + subresource
	}
	if q.name != "" {
		words = strings.Replace(words, q.resource, q.resource+"/"+q.name, 1)
	}
	if q.namespace != "" {
		return strings.TrimPrefix(words+" -n "+q.namespace, "kubectl auth can-i ")
	}
	return strings.TrimPrefix(words+" -A", "kubectl auth can-i ")
}

// ask is a SubjectAccessReview, which is what kubectl auth can-i sends.
func (s *server) ask(t *testing.T, account string, q question) bool {
	t.Helper()
	return s.askAs(t, "system:serviceaccount:"+namespace+":"+account, q)
}

func (s *server) askAs(t *testing.T, user string, q question) bool {
	t.Helper()
	resource, subresource, _ := strings.Cut(q.resource, "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   user,
		Groups: []string{"system:serviceaccounts", "system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: q.verb, Group: q.group, Resource: resource, Subresource: subresource, Namespace: q.namespace, Name: q.name,
		},
	}}
	if err := s.Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

const (
	beginTable = "<!-- rights: written by go test ./test/chart -run TestRights -update -->\n"
	endTable   = "<!-- end of rights -->\n"
)

// TestRights writes the table of docs/security.md, or compares it, and knows what nobody may do.
func TestRights(t *testing.T) {
	t.Parallel()
	s := start(t)
	with := gateOn()
	with["config"] = map[string]any{"flux": map[string]any{"secretRef": "registry-credentials"}}
	s.mustInstall(t, with)
	columns := []string{releaseName, "source-controller", "helm-controller"}
	answers := map[string][]bool{}
	for _, q := range questions() {
		for _, account := range columns {
			answers[q.text()] = append(answers[q.text()], s.ask(t, account, q))
		}
	}
	with["config"] = map[string]any{"flux": map[string]any{"serviceAccountName": "pool-installer"}}
	s.mustInstall(t, with)
	for _, q := range questions() {
		answers[q.text()] = append(answers[q.text()], s.ask(t, "helm-controller", q))
	}
	var table strings.Builder
	table.WriteString("| `kubectl auth can-i` | operator | source-controller | helm-controller | helm-controller, impersonating |\n|---|---|---|---|---|\n")
	for _, q := range questions() {
		fmt.Fprintf(&table, "| `%s` |", q.text())
		for i, yes := range answers[q.text()] {
			if yes && q.never {
				t.Errorf("column %d may %s", i+1, q.text())
			}
			table.WriteString(map[bool]string{true: " **yes** |", false: " no |"}[yes])
		}
		table.WriteString("\n")
	}
	compareTable(t, table.String())
}

func compareTable(t *testing.T, want string) {
	t.Helper()
	file := filepath.Join(root(), "docs", "security.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), beginTable)
	have, tail, closed := strings.Cut(rest, endTable)
	if !found || !closed {
		t.Fatalf("%s lacks the marks of the table", file)
	}
	want = "\n" + want + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(head+beginTable+want+endTable+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(have, want); diff != "" {
		t.Errorf("docs/security.md is not what the cluster says; rewrite it with -update (-have +want):\n%s", diff)
	}
}
