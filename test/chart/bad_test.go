// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"strings"
	"testing"
)

// TestBadValues: each file of testdata/bad begins with the words of the answer that it must get.
func TestBadValues(t *testing.T) {
	t.Parallel()
	all := cases(t, "bad")
	if len(all) < 20 {
		t.Errorf("only %d cases", len(all))
	}
	for name, text := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
			_, err := render(t, values(t, text))
			if err == nil {
				t.Fatalf("accepted, want %q", want)
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the answer is %q, want %q in it", err, want)
			}
			if strings.Contains(err.Error(), "does not match pattern") {
				t.Errorf("the answer is a pattern: %v", err)
			}
		})
	}
}

// TestAllMistakes: who made several is told of all at once.
func TestAllMistakes(t *testing.T) {
	t.Parallel()
	_, err := render(t, values(t, "{image: {digest: x}, config: {chart: {version: v9}, modelServer: {image: a}}, logging: {level: info}}"))
	for _, key := range []string{"image.digest", "config.chart.version", "config.modelServer.version", "logging"} {
		if err == nil || !strings.Contains(err.Error(), "\n"+key+": ") {
			t.Errorf("%s is not named: %v", key, err)
		}
	}
}
