// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"regexp"
)

// redacted stands for what is not printed.
const redacted = "(not printed)"

// Redacted returns what may be printed: values of environment variables are left out, since tokens and proxies with a
// password are written there in spite of better places. Their names stay.
func (c Configuration) Redacted() Configuration {
	printed := *c.DeepCopy()
	for i := range printed.ModelServer.Env {
		if printed.ModelServer.Env[i].Value != "" {
			printed.ModelServer.Env[i].Value = redacted
		}
	}
	return printed
}

// withoutUserinfo returns a URL, with or without its scheme, as it may stand in a refusal.
func withoutUserinfo(url string) string {
	return regexp.MustCompile(`^([a-z]*://)?[^/]*@`).ReplaceAllString(url, "${1}"+redacted+"@")
}
