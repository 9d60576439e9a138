// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package balancer

import (
	"encoding/json"
	"testing"
)

func TestPatch(t *testing.T) {
	t.Parallel()
	const address = `{"status":{"loadBalancer":{"ingress":[{"ip":"10.96.1.2","ipMode":"Proxy"}]}}}`
	for name, c := range map[string]struct{ event, want string }{
		"new":          {`{"type":"ADDED","object":{"spec":{"type":"LoadBalancer","clusterIP":"10.96.1.2"},"status":{"loadBalancer":{}}}}`, address},
		"has its own":  {`{"type":"MODIFIED","object":{"spec":{"type":"LoadBalancer","clusterIP":"10.96.1.2"},"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}}}`, ""},
		"another type": {`{"type":"ADDED","object":{"spec":{"type":"ClusterIP","clusterIP":"10.96.1.2"}}}`, ""},
		"deleted":      {`{"type":"DELETED","object":{"spec":{"type":"LoadBalancer","clusterIP":"10.96.1.2"}}}`, ""},
		"no address":   {`{"type":"ADDED","object":{"spec":{"type":"LoadBalancer"}}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e event
			if err := json.Unmarshal([]byte(c.event), &e); err != nil {
				t.Fatal(err)
			}
			if got, _ := e.patch(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
