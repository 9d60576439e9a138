// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// installers makes the accounts that helm-controller acts as, by the commands of docs/security.md.
func (s *server) installers(t *testing.T) {
	t.Helper()
	s.namespace(t, "gateways")
	bin, err := filepath.Abs(filepath.Join(root(), "bin"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", block(t, "security.md", "kubectl create serviceaccount pool-installer"))
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig, "PATH="+bin+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("making the accounts: %v: %s", err, out)
	}
}

// block returns the commands of a page of docs that hold certain words.
func block(t *testing.T, page, words string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(), "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "```sh\n")[1:] {
		if commands, _, _ := strings.Cut(part, "```"); strings.Contains(commands, words) {
			return commands
		}
	}
	t.Fatalf("docs/%s has no commands with %q", page, words)
	return ""
}

// TestInstallers switches helm-controller from its own rights to those of accounts and back, and on once more: who may
// install what is as the values say each time.
func TestInstallers(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.namespace(t, "models")
	const router = "{bodyBasedRouting: {enabled: true}}"
	own := "{featureGates: {gatewayAPIInferenceExtension: true}, config: {endpointPicker: {replicas: 2}, gateway: " + router + "}}"
	acting := strings.Replace(own, "config: {", "config: {flux: {serviceAccountName: pool-installer}, ", 1)
	s.mustInstall(t, values(t, own))
	s.installers(t)
	for _, step := range []struct {
		name, values string
		own          bool
	}{{"its own", own, true}, {"on", acting, false}, {"off", own, true}, {"on again", acting, false}} {
		s.mustInstall(t, values(t, step.values))
		for _, in := range []string{"models", "gateways", namespace} {
			s.askInstallers(t, step.name, in, step.own)
		}
	}
}

// askInstallers asks who may install what in a namespace: helm-controller all if it acts by itself, its account in models.
func (s *server) askInstallers(t *testing.T, step, in string, itself bool) {
	t.Helper()
	for _, q := range []question{
		{verb: "create", group: "apps", resource: "deployments"},
		{verb: "list", resource: "secrets"},
		{verb: "update", group: "coordination.k8s.io", resource: "leases"},
		{verb: "create", group: "networking.istio.io", resource: "envoyfilters"},
	} {
		q.namespace = in
		own := itself || in == namespace && q.resource == "leases"
		if got := s.ask(t, "helm-controller", q); got != own {
			t.Errorf("%s: helm-controller may %s: %t", step, q.text(), got)
		}
		if got := s.askAs(t, "system:serviceaccount:models:pool-installer", q); got != (in == "models") {
			t.Errorf("%s: the account of models may %s: %t", step, q.text(), got)
		}
	}
}
