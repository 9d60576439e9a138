// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package accelerator

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestLoadIsStrict(t *testing.T) {
	t.Parallel()
	const row = "cloud: x\ninstanceTypes:\n  - {name: a, gpu: T4, count: 1, memoryPerGPU: 16Gi}\n"
	cases := map[string]struct{ instances, want string }{
		"right":       {row, ""},
		"unknown key": {strings.Replace(row, "count", "counts", 1), "instances/x.yaml: yaml: unmarshal errors:\n  line 3: field counts not found"},
		"no count":    {strings.Replace(row, "count: 1", "count: 0", 1), `instance type "a": want cloud, name, gpu, count and memoryPerGPU`},
		"bad size":    {strings.Replace(row, "16Gi", "16 GB", 1), "line 3: size"},
		"twice":       {row + "  - {name: A, gpu: T4, count: 1, memoryPerGPU: 16Gi}\n", "instance type A is given twice"},
	}
	for name, c := range cases {
		_, err := load(fstest.MapFS{"instances/x.yaml": {Data: []byte(c.instances)}, "labels.yaml": {Data: []byte("gpus: {}")}})
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: want %q, have %v", name, c.want, err)
		}
	}
}
