// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package audit counts what the API server was asked, and by whom.
package audit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// Request is one answered request.
type Request struct {
	// Agent is the program: the user agent up to its first slash.
	Agent string
	// What is verb and resource, for example "patch workspaces/status"; a dry run says so instead of its verb.
	What string
	// Name and Namespace are the object's.
	Name, Namespace string
	Code            int
	Received, Done  time.Time
}

// IsWatch says that a request stays open for as long as anybody looks.
func (r Request) IsWatch() bool { return strings.HasPrefix(r.What, "watch ") }

// IsRead says that a request asked the API server for objects.
func (r Request) IsRead() bool {
	return strings.HasPrefix(r.What, "get ") || strings.HasPrefix(r.What, "list ")
}

// IsLease says that a request keeps a leader's lease.
func (r Request) IsLease() bool { return strings.HasSuffix(r.What, " leases") }

// IsWrite says that a request changed something, or would have.
func (r Request) IsWrite() bool { return !r.IsWatch() && !r.IsRead() && !r.IsLease() }

// event is what we read of an audit event.
type event struct {
	Stage      string `json:"stage"`
	RequestURI string `json:"requestURI"`
	Verb       string `json:"verb"`
	UserAgent  string `json:"userAgent"`
	ObjectRef  struct {
		Resource    string `json:"resource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	Received time.Time `json:"requestReceivedTimestamp"`
	Done     time.Time `json:"stageTimestamp"`
}

// Read calls each for every request of a log, in the order of their answers. A watch is read when it ends.
func Read(name string, each func(Request)) error {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			// The API server may be in the middle of its last line.
			continue
		}
		if e.Stage == "ResponseComplete" || e.Stage == "ResponseStarted" && e.Verb == "watch" {
			each(e.request())
		}
	}
	return lines.Err()
}

func (e event) request() Request {
	agent, _, _ := strings.Cut(e.UserAgent, "/")
	resource := e.ObjectRef.Resource
	if resource == "" {
		resource, _, _ = strings.Cut(e.RequestURI, "?")
	}
	if e.ObjectRef.Subresource != "" {
		resource += "/" + e.ObjectRef.Subresource
	}
	verb := e.Verb
	if strings.Contains(e.RequestURI, "dryRun=All") {
		verb = "dry-run"
	}
	return Request{
		Agent: agent, What: verb + " " + resource, Name: e.ObjectRef.Name, Namespace: e.ObjectRef.Namespace,
		Code: e.ResponseStatus.Code, Received: e.Received, Done: e.Done,
	}
}

// Window is a part of an experiment.
type Window struct{ From, To time.Time }

// Holds says whether a request was made in the window.
func (w Window) Holds(r Request) bool {
	return !r.Received.Before(w.From) && (w.To.IsZero() || r.Received.Before(w.To))
}

// Count is how many requests an agent made in a window, by what it asked. Watches and failed requests count too.
func Count(name, agent string, w Window) (map[string]int, error) {
	counts := map[string]int{}
	err := Read(name, func(r Request) {
		if r.Agent == agent && w.Holds(r) {
			what := r.What
			if r.Code >= 400 {
				what = fmt.Sprintf("%s → %d", what, r.Code)
			}
			counts[what]++
		}
	})
	return counts, err
}

// Children are the resources that are written for each Workspace.
func Children() []string {
	return []string{"deployments", "statefulsets", "services", "ocirepositories", "helmreleases", "poddisruptionbudgets"}
}

// LastChild is, for each Workspace, when agent's last write of a child was answered in a window.
func LastChild(name, agent string, w Window) (map[string]time.Time, error) {
	last := map[string]time.Time{}
	err := Read(name, func(r Request) {
		if r.Agent != agent || !w.Holds(r) || r.Code >= 400 || !isChildWrite(r.What) {
			return
		}
		workspace := strings.TrimSuffix(r.Name, "-inferencepool")
		if r.Done.After(last[workspace]) {
			last[workspace] = r.Done
		}
	})
	return last, err
}

func isChildWrite(what string) bool {
	for _, resource := range Children() {
		if what == "create "+resource || what == "patch "+resource {
			return true
		}
	}
	return false
}
