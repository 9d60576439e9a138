// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// TestRefusedConfiguration: the program ends, says which file and which key, and keeps what is secret to itself.
func TestRefusedConfiguration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":   {configurationHead + "modelServer:\n  imag: a\n", `unknown field "modelServer.imag"`},
		"twice":         {configurationHead + "registry: a.example\nregistry: b.example\n", `line 4: key "registry" already set`},
		"wrong type":    {configurationHead + "endpointPicker: {replicas: two}\n", "endpointPicker.replicas of type int32"},
		"invalid value": {configurationHead + "chart: {version: v9.9.9}\n", `chart.version: Unsupported value: "v9.9.9"`},
		"no YAML":       {configurationHead + "a: [\n", "yaml: line 3"},
		"a password":    {configurationHead + "chart: {url: \"oci://me:secret@mirror.example/chart\"}\n", "chart.url: Invalid value"},
	} {
		for _, flag := range []string{"--check", "--leader-elect"} {
			t.Run(name+flag, func(t *testing.T) {
				t.Parallel()
				// There is no cluster: the configuration is read first.
				out, err := execute(t, filepath.Join(t.TempDir(), "none"), c.text, flag)
				if err == nil {
					t.Fatalf("it is accepted: %s", out)
				}
				if !strings.Contains(out, c.want) || !strings.Contains(out, "configuration.yaml") || strings.Contains(out, "secret") {
					t.Errorf("%v: %s\nwant %s", err, out, c.want)
				}
			})
		}
	}
}

// execute runs the operator's program to its end, and returns what it says.
func execute(t *testing.T, kubeconfig, configuration string, flags ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "configuration.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, append(flags, "--config="+file, "--namespace="+operatorNamespace)...)
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	out, err := command.CombinedOutput()
	return string(out), err
}

// TestProgram looks at the program from outside, in a cluster that has nothing but the Workspace's CRD.
func TestProgram(t *testing.T) { //nolint:tparallel // the cluster stops when all have ended
	t.Parallel()
	c := startCluster(t, workspaceCRD())
	t.Run("check", func(t *testing.T) { c.check(t) })
	t.Run("metrics", func(t *testing.T) { c.secureMetrics(t) })
	t.Run("log", func(t *testing.T) { c.printsConfiguration(t) })
}

// check: what `helm test` runs fails for what is missing, and names all of it.
func (c *cluster) check(t *testing.T) {
	nobody, err := c.env.AddUser(envtest.User{Name: "nobody"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := nobody.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	withoutRights := filepath.Join(c.dir, "nobody.kubeconfig")
	if err := os.WriteFile(withoutRights, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, one := range map[string]struct {
		kubeconfig, configuration string
		fails                     bool
		want                      []string
	}{
		"gate off": {c.operatorConfig, gateOff(), false, []string{"ok: WorkspaceList of kaito.sh/v1beta1\n"}},
		"missing CRDs": {c.operatorConfig, gateOn() + "gateway: {bodyBasedRouting: {enabled: true}}\n", true, []string{
			"ok: WorkspaceList of kaito.sh/v1beta1\n",
			"listing OCIRepositoryList of source.toolkit.fluxcd.io/v1: no matches for kind",
			"listing HelmReleaseList of helm.toolkit.fluxcd.io/v2: no matches for kind",
			"listing InferencePoolList of inference.networking.k8s.io/v1: no matches for kind",
			"listing GatewayList of gateway.networking.k8s.io/v1: no matches for kind",
			"listing ReferenceGrantList of gateway.networking.k8s.io/v1beta1: no matches for kind",
		}},
		"missing rights": {withoutRights, gateOff(), true, []string{
			`listing WorkspaceList of kaito.sh/v1beta1: workspaces.kaito.sh is forbidden: User "nobody" cannot list resource "workspaces"`,
		}},
		"no cluster": {filepath.Join(c.dir, "none"), gateOff(), true, []string{"finding a cluster"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := execute(t, one.kubeconfig, one.configuration, "--check")
			if (err != nil) != one.fails {
				t.Errorf("it ends with %v", err)
			}
			for _, want := range one.want {
				if !strings.Contains(out, want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
		})
	}
}

// secureMetrics: by TLS, to whom the API server knows and lets.
func (c *cluster) secureMetrics(t *testing.T) {
	g := gomega.NewWithT(t)
	operator := c.startOperator(t, gateOff(), "--metrics-secure")
	rules := []rbacv1.PolicyRule{{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}}}
	g.Expect(c.Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "scraper"}, Rules: rules})).To(gomega.Succeed())
	g.Expect(c.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "scraper"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: "bound"}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "scraper"},
	})).To(gomega.Succeed())
	for token, want := range map[string]int{
		"": http.StatusUnauthorized,
		// As controller-runtime answers when the token's review fails.
		"invented":            http.StatusInternalServerError,
		c.token(t, "unbound"): http.StatusForbidden, c.token(t, "bound"): http.StatusOK,
	} {
		g.Eventually(func() error { return scrapeSecurely(t, operator.metrics, token, want) }).
			WithTimeout(patience).WithPolling(interval).Should(gomega.Succeed())
	}
	plain, err := scrape(t.Context(), operator.metrics)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(plain).NotTo(gomega.ContainSubstring("kaito_workspace"), "without TLS there is nothing to read")
}

// token is one of a new account of the operator's namespace.
func (c *cluster) token(t *testing.T, account string) string {
	t.Helper()
	g := gomega.NewWithT(t)
	who := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: account}}
	g.Expect(c.Create(t.Context(), who)).To(gomega.Succeed())
	request := &authenticationv1.TokenRequest{}
	g.Expect(c.SubResource("token").Create(t.Context(), who, request)).To(gomega.Succeed())
	return request.Status.Token
}

func scrapeSecurely(t *testing.T, address, token string, want int) error {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/metrics", nil)
	if err != nil {
		return err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	// As the ServiceMonitor does: the operator makes its certificate when it starts.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode != want {
		return fmt.Errorf("the answer is %s, want %d", answer.Status, want)
	}
	return nil
}

// printsConfiguration: the log has the whole configuration, but nothing that is secret.
func (c *cluster) printsConfiguration(t *testing.T) {
	operator := c.startOperator(t, gateOff()+"registry: mirror.example/kaito\nmodelServer: {env: [{name: HF_TOKEN, value: hf_hidden}]}\n")
	gomega.NewWithT(t).Eventually(func() error {
		text, err := os.ReadFile(operator.log)
		if err != nil {
			return err
		}
		for _, want := range []string{"registry: mirror.example/kaito", "failureMode: FailOpen", "name: HF_TOKEN"} {
			if !strings.Contains(string(text), want) {
				return fmt.Errorf("the log does not have %q", want)
			}
		}
		if strings.Contains(string(text), "hf_hidden") {
			return errors.New("the log has the token")
		}
		return nil
	}).WithTimeout(patience).WithPolling(interval).Should(gomega.Succeed())
}
