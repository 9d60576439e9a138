// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lint

package lint

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// TestForbiddenCalls breaks the rules of forbidigo, and does what only looks like it.
func TestForbiddenCalls(t *testing.T) {
	t.Parallel()
	s := newScratch(t)
	s.stub(t, "sigs.k8s.io/controller-runtime/pkg/reconcile", `package reconcile

type Result struct {
	Requeue      bool
	RequeueAfter int
}
`)
	s.stub(t, "sigs.k8s.io/controller-runtime/pkg/client", "package client\n\nvar Apply, Merge int\n")
	s.stub(t, "k8s.io/apimachinery/pkg/util/wait", "package wait\n\nfunc PollUntilContextTimeout() {}\n")
	s.stub(t, "sigs.k8s.io/controller-runtime/pkg/manager",
		"package manager\n\ntype Manager interface {\n\tGetEventRecorderFor(string) int\n\tGetEventRecorder(string) int\n}\n")

	const (
		reconcile = "sigs.k8s.io/controller-runtime/pkg/reconcile"
		client    = "sigs.k8s.io/controller-runtime/pkg/client"
		wait      = "k8s.io/apimachinery/pkg/util/wait"
		manager   = "sigs.k8s.io/controller-runtime/pkg/manager"
	)
	cases := map[string]struct {
		imports string
		body    string
		want    string
	}{
		"internal/controller/sleep.go":       {"time", "func f() { time.Sleep(1) }", "nothing waits in a worker"},
		"internal/controller/sleep_test.go":  {"time", "func f() { time.Sleep(1) }", "nothing waits in a worker"},
		"internal/controller/after.go":       {"time", "func f() { <-time.After(1) }", "nothing waits in a worker"},
		"internal/controller/poll.go":        {wait, "func f() { wait.PollUntilContextTimeout() }", "nothing polls"},
		"internal/controller/print.go":       {"fmt", `func f() { fmt.Println("x") }`, "write to the stream"},
		"internal/controller/sprint.go":      {"fmt", `func f() string { return fmt.Sprint("x") }`, ""},
		"cmd/kubectl-workspace/print.go":     {"fmt", `func f() { fmt.Println("x") }`, ""},
		"internal/controller/background.go":  {"context", "func f() context.Context { return context.Background() }", "take ctx from the caller"},
		"internal/controller/ctx_test.go":    {"context", "func f() context.Context { return context.Background() }", ""},
		"cmd/workspace-controller/ctx.go":    {"context", "func f() context.Context { return context.Background() }", ""},
		"internal/controller/requeue.go":     {reconcile, "var f = reconcile.Result{Requeue: true}", "set RequeueAfter"},
		"internal/controller/requeue_set.go": {reconcile, "func f(r *reconcile.Result) { r.Requeue = true }", "set RequeueAfter"},
		"internal/controller/later.go":       {reconcile, "var f = reconcile.Result{RequeueAfter: 1}", ""},
		"internal/controller/recorder.go":    {manager, `func f(m manager.Manager) int { return m.GetEventRecorderFor("x") }`, "use GetEventRecorder"},
		"internal/controller/events.go":      {manager, `func f(m manager.Manager) int { return m.GetEventRecorder("x") }`, ""},
		"internal/apply/patch.go":            {client, "var f = client.Apply", "deprecated as a patch"},
		"internal/apply/merge.go":            {client, "var f = client.Merge", ""},
		"internal/plan/clock.go":             {"time", "func f() time.Time { return time.Now() }", "pure package, no clock"},
		"internal/observe/clock.go":          {"time", "func f() time.Time { return time.Now() }", ""},
	}
	for name, c := range cases {
		// A directory of its own for each: the file's name says what it does.
		dir := path.Join(path.Dir(name), strings.TrimSuffix(path.Base(name), ".go"))
		s.write(t, path.Join(dir, path.Base(name)),
			header+"package "+packageName(dir)+"\n\nimport \""+c.imports+"\"\n\n"+c.body+"\n")
	}
	findings := s.lint(t, "forbidigo")
	for name, c := range cases {
		var got []string
		for _, f := range findings {
			if path.Base(f.Pos.Filename) == path.Base(name) && strings.HasPrefix(f.Pos.Filename, path.Dir(name)+"/") {
				got = append(got, f.Text)
			}
		}
		switch {
		case c.want == "" && len(got) > 0:
			t.Errorf("%s: want no finding, got %q", name, got)
		case c.want != "" && !slices.ContainsFunc(got, func(text string) bool { return strings.Contains(text, c.want) }):
			t.Errorf("%s: want %q, got %q", name, c.want, got)
		}
	}
}
