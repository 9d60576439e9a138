// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"fmt"
	"strings"
	"testing"

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
	for _, in := range []string{elsewhere, namespace, "default"} {
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

// column is an account under some values, and the Secrets that it may not even look at.
type column struct {
	title, account, values string
	// mustNot says which Secrets those are; nobody may do what never says.
	mustNot func(question) bool
}

func columns() []column {
	const usual = "flux: {secretRef: registry-credentials}"
	return []column{
		{"operator", releaseName, usual, func(q question) bool { return q.verb == "get" && q.name != "workspace-operator-ca" || q.verb == "list" }},
		{"source-controller", "source-controller", usual, func(q question) bool { return q.name != "registry-credentials" }},
		{"helm-controller", "helm-controller", usual, func(question) bool { return false }},
		{"… with `flux.namespaces`", "helm-controller", usual, func(q question) bool { return q.namespace != "models" }},
		{"… impersonating", "helm-controller", "flux: {serviceAccountName: pool-installer}", func(question) bool { return true }},
	}
}

// TestRights writes the table of docs/security.md, or compares it, and knows what nobody may do.
func TestRights(t *testing.T) {
	t.Parallel()
	s := start(t)
	answers := map[string][]bool{}
	titles := []string{"`kubectl auth can-i`"}
	for _, c := range columns() {
		with := gateOn()
		with["config"] = values(t, c.values)
		if strings.Contains(c.title, "namespaces") {
			s.namespace(t, "models")
			with["flux"] = map[string]any{"namespaces": []any{"models"}}
		}
		s.mustInstall(t, with)
		titles = append(titles, c.title)
		for _, q := range questions() {
			yes := s.ask(t, c.account, q)
			if yes && (q.never || q.resource == "secrets" && c.mustNot(q)) {
				t.Errorf("%s may %s", c.title, q.text())
			}
			answers[q.text()] = append(answers[q.text()], yes)
		}
	}
	var table strings.Builder
	fmt.Fprintf(&table, "| %s |\n%s|\n", strings.Join(titles, " | "), strings.Repeat("|---", len(titles)))
	for _, q := range questions() {
		fmt.Fprintf(&table, "| `%s` |", q.text())
		for _, yes := range answers[q.text()] {
			table.WriteString(map[bool]string{true: " **yes** |", false: " no |"}[yes])
		}
		table.WriteString("\n")
	}
	compareBetween(t, "security.md", [2]string{beginTable, endTable}, "\n"+table.String()+"\n")
}
