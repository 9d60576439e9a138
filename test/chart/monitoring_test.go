// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"context"
	"encoding/json"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// interval is how often the operator is scraped here, and rules are evaluated.
const interval = time.Minute

// TestMonitoring asks Prometheus' own engine everything that the rules, the alerts and the dashboard ask, of samples that
// the operator's program gave.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	o := observe(t)
	t.Run("page", func(t *testing.T) { t.Parallel(); checkPage(t, o.troubled) })
	t.Run("queries", func(t *testing.T) { t.Parallel(); checkQueries(t, o) })
	t.Run("silence", func(t *testing.T) { t.Parallel(); checkSilence(t, o.healthy) })
	t.Run("alerts", func(t *testing.T) { t.Parallel(); checkAlerts(t, o) })
}

// checkQueries: every rule, and every query of the dashboard, has an answer.
func checkQueries(t *testing.T, o observed) {
	p := newPrometheus(t)
	dashboard := dashboardQueries(t)
	p.queries += strings.Join(dashboard, "\n")
	for _, text := range []string{o.idle, o.healthy, o.troubled, o.later} {
		p.scrape(t, text, nil)
		p.evaluate(t)
	}
	for _, rule := range p.group(t, "kaito-workspace").Rules() {
		p.mustAnswer(t, rule.Name())
	}
	for _, rule := range p.group(t, "kaito-workspace-alerts").Rules() {
		// Without its bound an alert has an answer also while it is silent. That nothing is there is a question of its own.
		if query := unbounded(rule.Query().String()); !strings.HasPrefix(query, "absent") {
			p.mustAnswer(t, query)
		}
	}
	for _, query := range dashboard {
		p.mustAnswer(t, strings.ReplaceAll(query, "$__rate_interval", "5m"))
	}
}

// unbounded is a query without the comparison at its end.
func unbounded(query string) string {
	for _, sign := range []string{" > ", " < "} {
		if i := strings.LastIndex(query, sign); i > 0 {
			return query[:i]
		}
	}
	return query
}

// checkSilence: while all Workspaces are Ready no alert fires, for as long as the slowest takes.
func checkSilence(t *testing.T, healthy string) {
	p := newPrometheus(t)
	for range 7 * 60 {
		p.scrape(t, healthy, nil)
		p.evaluate(t)
	}
	for _, rule := range p.alerts(t) {
		if rule.State() != rules.StateInactive {
			t.Errorf("%s is %s", rule.Name(), rule.State())
		}
	}
}

// change makes of a sample what it would be in a bad state, so many intervals after it began.
type change func(name string, l labels.Labels, value float64, step int) float64

// checkAlerts: each alert fires in the state that it is for.
func checkAlerts(t *testing.T, o observed) {
	grows := func(metric, label, value string, by float64) change {
		return func(name string, l labels.Labels, v float64, step int) float64 {
			if name == metric && (label == "" || l.Get(label) == value) {
				return v + by*float64(step)
			}
			return v
		}
	}
	cases := map[string]struct {
		text   string
		change change
		after  time.Duration
	}{
		"KaitoWorkspaceOperatorDown":       {"", nil, 6 * time.Minute},
		"KaitoWorkspaceNotReady":           {o.troubled, nil, 35 * time.Minute},
		"KaitoWorkspaceEndpointPickerDown": {o.troubled, nil, 10 * time.Minute},
		"KaitoWorkspaceDriftRepeats":       {o.healthy, grows("kaito_workspace_drift_repairs_total", "kind", "Service", 1), 20 * time.Minute},
		"KaitoWorkspacePoolRepairsRepeat":  {o.healthy, grows("kaito_workspace_pool_repair_requests_total", "", "", 2), 20 * time.Minute},
		"KaitoWorkspaceQueueBacklog":       {o.healthy, grows("workqueue_depth", "name", "workspace", 100), 20 * time.Minute},
		"KaitoWorkspaceReconcileErrors":    {o.healthy, grows("controller_runtime_reconcile_total", "result", "error", 10), 20 * time.Minute},
		"KaitoWorkspaceCertificateExpires": {o.troubled, func(name string, _ labels.Labels, v float64, _ int) float64 {
			if name == "kaito_workspace_certificate_expiry_timestamp_seconds" {
				return v - 80*24*3600
			}
			return v
		}, 5 * time.Minute},
		"KaitoWorkspacePoolChartsDiffer": {o.healthy + "kaito_workspace_pool_charts{chart=\"oci://other\",version=\"1.4.0\"} 1\n", nil, 7 * time.Hour},
	}
	for _, rule := range newPrometheus(t).alerts(t) {
		bad, ok := cases[rule.Name()]
		if !ok {
			t.Errorf("no state is known in which %s fires", rule.Name())
			continue
		}
		t.Run(rule.Name(), func(t *testing.T) {
			t.Parallel()
			p := newPrometheus(t)
			for range int(bad.after / interval) {
				p.scrape(t, bad.text, bad.change)
				p.evaluate(t)
			}
			checkFires(t, p.alert(t, rule.Name()))
		})
	}
}

// checkFires also looks at what people read: everything that an alert names is filled in.
func checkFires(t *testing.T, rule *rules.AlertingRule) {
	t.Helper()
	if rule.State() != rules.StateFiring {
		t.Fatalf("%s is %s", rule.Name(), rule.State())
	}
	for _, alert := range rule.ActiveAlerts() {
		summary, description := alert.Annotations.Get("summary"), alert.Annotations.Get("description")
		if summary == "" || description == "" || alert.Labels.Get("severity") == "" {
			t.Errorf("%s lacks a summary, a description or a severity", rule.Name())
		}
		for _, text := range []string{summary, description} {
			if strings.Contains(text, "<no value>") || strings.Contains(text, "error expanding") || strings.Contains(text, " /") {
				t.Errorf("%s: %s", rule.Name(), text)
			}
		}
		t.Logf("%s: %s %s", rule.Name(), summary, description)
	}
}

// prometheus is the engine, its storage, and the chart's rules.
type prometheus struct {
	*teststorage.TestStorage
	engine *promql.Engine
	groups map[string]*rules.Group
	// queries is the text of all that is asked.
	queries string
	now     time.Time
	step    int
}

func newPrometheus(t *testing.T) *prometheus {
	t.Helper()
	p := &prometheus{TestStorage: teststorage.New(t), now: time.Now()}
	p.engine = promql.NewEngine(promql.EngineOpts{MaxSamples: 10_000_000, Timeout: time.Minute})
	manager := rules.NewManager(&rules.ManagerOptions{
		ExternalURL: &url.URL{}, Context: t.Context(), Appendable: p, Queryable: p, Logger: promslog.NewNopLogger(),
		QueryFunc: rules.EngineQueryFunc(p.engine, p), NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	})
	file := filepath.Join(t.TempDir(), "rules.yaml")
	rule := rendered(t, values(t, "metrics: {rules: {enabled: true}}")).one(t, "PrometheusRule", releaseName)
	spec, err := yaml.Marshal(rule.Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, spec, 0o600); err != nil {
		t.Fatal(err)
	}
	p.queries = string(spec)
	groups, errs := manager.LoadGroups(interval, labels.EmptyLabels(), "", nil, false, file)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	p.groups = map[string]*rules.Group{}
	for _, group := range groups {
		p.groups[group.Name()] = group
	}
	return p
}

func (p *prometheus) group(t *testing.T, name string) *rules.Group {
	t.Helper()
	if p.groups[name] == nil {
		t.Fatalf("there is no group %s", name)
	}
	return p.groups[name]
}

func (p *prometheus) alerts(t *testing.T) []*rules.AlertingRule {
	t.Helper()
	all := p.group(t, "kaito-workspace-alerts").AlertingRules()
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

func (p *prometheus) alert(t *testing.T, name string) *rules.AlertingRule {
	t.Helper()
	for _, rule := range p.alerts(t) {
		if rule.Name() == name {
			return rule
		}
	}
	t.Fatalf("there is no alert %s", name)
	return nil
}

// scrape stores what an operator told, an interval after the last time, with the labels of a pod that is scraped.
func (p *prometheus) scrape(t *testing.T, text string, changed change) {
	t.Helper()
	p.now = p.now.Add(interval)
	p.step++
	appender := p.Appender(t.Context())
	parser := textparse.NewPromParser([]byte(text), labels.NewSymbolTable(), false)
	for {
		entry, err := parser.Next()
		if err != nil {
			break
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, value := parser.Series()
		var l labels.Labels
		parser.Labels(&l)
		name := l.Get(model.MetricNameLabel)
		// Most metrics are of Go's runtime, and would take most of the time.
		if !strings.Contains(p.queries, name) {
			continue
		}
		if changed != nil {
			value = changed(name, l, value, p.step)
		}
		b := labels.NewBuilder(l)
		b.Set("instance", "10.0.0.1:8443").Set("job", "kaito-workspace-metrics").Set("namespace", namespace)
		if _, err := appender.Append(storage.SeriesRef(0), b.Labels(), p.now.UnixMilli(), value); err != nil {
			t.Fatal(err)
		}
	}
	if err := appender.Commit(); err != nil {
		t.Fatal(err)
	}
}

func (p *prometheus) evaluate(t *testing.T) {
	t.Helper()
	for _, name := range []string{"kaito-workspace", "kaito-workspace-alerts"} {
		group := p.group(t, name)
		group.Eval(t.Context(), p.now)
		for _, rule := range group.Rules() {
			if err := rule.LastError(); err != nil {
				t.Fatalf("%s: %v", rule.Name(), err)
			}
		}
	}
}

// mustAnswer: the query has at least one series, and a number.
func (p *prometheus) mustAnswer(t *testing.T, text string) {
	t.Helper()
	query, err := p.engine.NewInstantQuery(t.Context(), p, nil, text, p.now)
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return
	}
	defer query.Close()
	answer, err := query.Exec(t.Context()).Vector()
	if err != nil || len(answer) == 0 {
		t.Errorf("%s: %d series, %v", text, len(answer), err)
		return
	}
	for _, sample := range answer {
		if !math.IsNaN(sample.F) {
			return
		}
	}
	t.Errorf("%s: no number in %v", text, answer)
}

// dashboardQueries are those of all panels.
func dashboardQueries(t *testing.T) []string {
	t.Helper()
	config := rendered(t, values(t, "metrics: {dashboard: {enabled: true}}")).one(t, "ConfigMap", releaseName+"-dashboard")
	text, _, _ := unstructured.NestedString(config.Object, "data", "kaito-workspaces.json")
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
		t.Fatal(err)
	}
	var queries []string
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries = append(queries, target.Expr)
		}
		if len(panel.Targets) == 0 {
			t.Errorf("panel %s asks nothing", panel.Title)
		}
	}
	if len(queries) == 0 {
		t.Error("the dashboard asks nothing")
	}
	return queries
}
