// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// request is an entry of the audit log: one request that was answered.
type request struct {
	Verb      string
	UserAgent string
	// URI tells dry runs apart.
	URI       string `json:"requestURI"`
	ObjectRef struct{ Resource, Namespace, Name, Subresource string }
	Response  struct{ Code int } `json:"responseStatus"`
}

func (r request) String() string {
	text := r.Verb + " " + r.ObjectRef.Resource
	for _, part := range []string{r.ObjectRef.Subresource, r.ObjectRef.Namespace, r.ObjectRef.Name} {
		if part != "" {
			text += "/" + part
		}
	}
	if r.isDryRun() {
		text += " (dry run)"
	}
	return text
}

// isWrite says that the request changed something, or would have.
func (r request) isWrite() bool {
	switch r.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return true
	default:
		return false
	}
}

func (r request) isDryRun() bool { return strings.Contains(r.URI, "dryRun=All") }

// isUpkeep are the requests of an operator that has nothing to do: watches, and the lease.
func (r request) isUpkeep() bool {
	return r.Verb == "watch" || r.ObjectRef.Resource == "leases"
}

// mark is where the audit log ends now.
func (c *cluster) mark(t *testing.T) int64 {
	t.Helper()
	info, err := os.Stat(c.auditLog())
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// operatorRequests are the operator's requests since a mark that match.
func (c *cluster) operatorRequests(t *testing.T, since int64, match func(request) bool) []string {
	t.Helper()
	file, err := os.Open(c.auditLog())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(since, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	found := []string{}
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			// What comes after the last line end is still being written.
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(line, []byte(`"userAgent":"workspace-controller/`)) {
			continue
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if match(r) {
			found = append(found, r.String())
		}
	}
}
