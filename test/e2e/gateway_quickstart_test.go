// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

const (
	// The chart of the page is fetched from its registry, which only pods of the local cluster reach.
	routerChart = "oci://registry.k8s.io/gateway-api-inference-extension/charts/body-based-routing"
	routerFile  = "bin/share/charts/body-based-routing-v1.5.0.tgz"
)

// TestQuickstart executes the commands of docs/quickstart.md as they stand there, and looks after each section at what
// they are said to do.
func TestQuickstart(t *testing.T) { //nolint:paralleltest // it is about the whole cluster
	if !bare() {
		t.Skip("needs a cluster without Flux: make e2e-install")
	}
	q := &quickstart{installation: newInstallation(t, shared)}
	defer q.describeIfFailed()
	checks := map[string]func([]string){
		"Install the operator":           q.installed,
		"Open a Gateway":                 func([]string) {},
		"Serve two models":               q.served,
		"Look at what was made":          q.made,
		"Ask":                            q.asked,
		"Keep routing in your own hands": q.handedOver,
		"Clean up":                       q.cleaned,
	}
	for _, s := range q.sections() {
		check, known := checks[s.title]
		if len(s.blocks) == 0 {
			continue
		}
		q.Expect(known).To(gomega.BeTrue(), "section %q has commands, and nothing looks at what they do", s.title)
		delete(checks, s.title)
		started := time.Now()
		var said []string
		for _, block := range s.blocks {
			said = append(said, q.shell(block))
		}
		check(said)
		t.Logf("%s: %.1f s", s.title, time.Since(started).Seconds())
	}
	q.Expect(checks).To(gomega.BeEmpty(), "sections that are not on the page")
}

type quickstart struct {
	*installation
	// streamed is when what came of the page's streaming request.
	streamed *stopwatch
}

// section is a heading of the page with the commands below it.
type section struct {
	title  string
	blocks []string
}

func (q *quickstart) sections() []section {
	q.t.Helper()
	text, err := os.ReadFile(filepath.Join(root(), "docs", "quickstart.md"))
	q.Expect(err).NotTo(gomega.HaveOccurred())
	var all []section
	for part := range strings.SplitSeq("\n"+string(text), "\n## ") {
		title, rest, _ := strings.Cut(part, "\n")
		s := section{title: title}
		for _, block := range strings.Split(rest, "\n```sh\n")[1:] {
			commands, _, closed := strings.Cut(block, "\n```\n")
			q.Expect(closed).To(gomega.BeTrue(), "a block of %q has no end", title)
			s.blocks = append(s.blocks, commands)
		}
		all = append(all, s)
	}
	return all
}

// shell executes a block in a shell that knows the variables of those before it, and returns what it prints.
func (q *quickstart) shell(block string) string {
	q.t.Helper()
	block = strings.ReplaceAll(block, routerChart, routerFile)
	variables := filepath.Join(q.dir, "quickstart.env")
	streams := strings.Contains(block, `"stream": true`)
	if streams {
		// The stand-in would have made all tokens before one sees the first.
		block = `curl() { command curl --header "` + paceHeader + `: 100ms" "$@"; }` + "\n" + block
	}
	script := fmt.Sprintf("set -eu -o pipefail -o allexport\n[ ! -e %[1]s ] || . %[1]s\n%[2]s\ndeclare -p GATEWAY >%[1]s 2>/dev/null || true\n",
		variables, block)
	command := exec.CommandContext(q.ctx, "bash", "-c", script)
	command.Dir = root()
	command.Env = append(os.Environ(), "KUBECONFIG="+q.kubeconfig, "PATH="+filepath.Join(root(), "bin")+":"+os.Getenv("PATH"),
		"HELM_CACHE_HOME="+q.dir, "HELM_CONFIG_HOME="+q.dir, "HELM_DATA_HOME="+q.dir)
	watch := &stopwatch{began: time.Now()}
	command.Stdout, command.Stderr = watch, watch
	q.Expect(command.Run()).To(gomega.Succeed(), "%s\n%s", block, &watch.text)
	if streams {
		q.streamed = watch
	}
	return watch.text.String()
}

func (q *quickstart) installed([]string) {
	q.t.Helper()
	q.Expect(q.deployments()).To(gomega.Equal([]string{"helm-controller", chartRelease, "source-controller"}))
}

func (q *quickstart) served(said []string) {
	q.t.Helper()
	for _, name := range []string{"workspace-phi-4-mini", "workspace-mistral-7b-instruct"} {
		q.Expect(said[0]).To(gomega.MatchRegexp(`(?m)^` + name + ` .* True +Ready `))
	}
}

// made: every Gateway has accepted what there is.
func (q *quickstart) made(said []string) {
	q.t.Helper()
	q.Expect(said[0]).To(gomega.ContainSubstring("inference-gateway-bbr-"))
	for _, workspace := range []string{"workspace-phi-4-mini", "workspace-mistral-7b-instruct"} {
		q.resolved(workspace + "-inferencepool")
		pool := &inferencev1.InferencePool{}
		q.Expect(q.Get(q.ctx, inDefault(workspace+"-inferencepool"), pool)).To(gomega.Succeed())
		q.Expect(pool.Status.Parents).To(gomega.HaveLen(1))
		for _, condition := range []string{"Accepted", "ResolvedRefs"} {
			q.Expect(isTrue(pool.Status.Parents[0].Conditions, condition)).To(gomega.BeTrue(), "%s of %s", condition, pool.Name)
		}
	}
}

// resolved: an HTTPRoute is accepted by its one Gateway, with all that it refers to.
func (q *quickstart) resolved(name string) {
	q.t.Helper()
	route := &gatewayv1.HTTPRoute{}
	q.Expect(q.Get(q.ctx, inDefault(name), route)).To(gomega.Succeed())
	q.Expect(route.Status.Parents).To(gomega.HaveLen(1))
	for _, condition := range []string{"Accepted", "ResolvedRefs"} {
		q.Expect(isTrue(route.Status.Parents[0].Conditions, condition)).To(gomega.BeTrue(), "%s of %s", condition, name)
	}
}

func inDefault(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "default", Name: name}
}

func (q *quickstart) asked(said []string) {
	q.t.Helper()
	q.Expect(said).To(gomega.HaveLen(5))
	for _, model := range []string{phi, mistral} {
		q.Expect(said[0]).To(gomega.ContainSubstring(`"id":"` + model + `"`))
		q.Expect(said[4]).To(gomega.ContainSubstring(model))
	}
	q.answered(said[1], phi)
	q.answered(said[2], mistral)
	q.Expect(strings.Count(said[3], "data: {")).To(gomega.BeNumerically(">=", 40), said[3])
	q.Expect(said[3]).To(gomega.ContainSubstring("data: [DONE]"))
	q.Expect(q.streamed.inPieces()).To(gomega.Succeed())
	q.Expect(said[4]).To(gomega.ContainSubstring("The model `phi-5` does not exist."))
}

// answered: what curl printed ends with the answer of a model.
func (q *quickstart) answered(said, model string) {
	q.t.Helper()
	var completion struct{ Object, Model string }
	_, text, _ := strings.Cut(said[max(0, strings.LastIndex(said, "\n{")):], "{")
	q.Expect(json.NewDecoder(strings.NewReader("{"+text)).Decode(&completion)).To(gomega.Succeed(), said)
	q.Expect(completion.Object).To(gomega.Equal("chat.completion"))
	q.Expect(completion.Model).To(gomega.Equal(model))
}

// handedOver: the operator's routes are gone, the reader's is in their place and stays as it was written.
func (q *quickstart) handedOver(said []string) {
	q.t.Helper()
	q.Expect(said[1]).To(gomega.ContainSubstring(`"id":"` + phi + `"`))
	q.answered(said[2], mistral)
	q.resolved("llm-route")
	routes := &gatewayv1.HTTPRouteList{}
	q.Expect(q.List(q.ctx, routes, client.InNamespace("default"))).To(gomega.Succeed())
	q.Expect(routes.Items).To(gomega.HaveLen(1))
	q.Expect(routes.Items[0].Name).To(gomega.Equal("llm-route"))
	q.Expect(routes.Items[0].OwnerReferences).To(gomega.BeEmpty())
	for _, field := range routes.Items[0].ManagedFields {
		q.Expect(field.Manager).NotTo(gomega.ContainSubstring("workspace"))
	}
}

// cleaned: what the page leaves are CRDs, which other tests want gone.
func (q *quickstart) cleaned([]string) {
	q.t.Helper()
	for _, object := range q.objects() {
		name, isCRD := strings.CutPrefix(object, "customresourcedefinitions//")
		if isCRD && (strings.HasSuffix(name, ".kaito.sh") || strings.HasSuffix(name, ".fluxcd.io") || strings.HasPrefix(name, "inferencepools.")) {
			q.run("kubectl", "delete", "crd", name)
		}
	}
	q.settles()
	for _, object := range q.objects() {
		q.Expect(object).NotTo(gomega.ContainSubstring("inferencepool"))
		q.Expect(object).NotTo(gomega.ContainSubstring("kaito-workspace"))
	}
}

func (q *quickstart) describeIfFailed() {
	if !q.t.Failed() {
		return
	}
	for _, args := range [][]string{
		{"get", "pods,gateways,httproutes,helmreleases", "--all-namespaces", "-o", "wide"},
		{"get", "workspaces", "-o", "yaml"},
		{"logs", "deployment/inference-gateway-istio", "--tail=30"},
		{"logs", "--selector", "app=inference-gateway-bbr", "--tail=10", "--prefix"},
		{"logs", "--selector", "inferencepool", "--tail=15", "--prefix"},
		{"logs", "--namespace", operatorNamespace, "--selector", "app.kubernetes.io/name=workspace", "--tail=20", "--prefix"},
	} {
		text, err := q.kubectl(q.ctx, args...)
		q.t.Log(text, err)
	}
}
