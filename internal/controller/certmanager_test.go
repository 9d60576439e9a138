// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"bytes"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/workspace-operator/workspace-operator/internal/certificate"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// TestPrevious: whoever made certificates before stays trusted, and nobody else, however often it changes.
func TestPrevious(t *testing.T) {
	t.Parallel()
	operator, corp := founded(t), founded(t)
	both := slices.Concat(operator, corp)
	config := func(authorities, served, previous []byte) *corev1.ConfigMap {
		return &corev1.ConfigMap{Data: map[string]string{
			route.AuthorityKey: string(authorities), corev1.TLSCertKey: string(served), route.PreviousKey: string(previous),
		}}
	}
	leaf := []byte("leaf")
	for name, c := range map[string]struct {
		trust      *corev1.ConfigMap
		byOperator bool
		now, want  []byte
	}{
		"the first":                      {nil, true, operator, nil},
		"the first, by cert-manager":     {nil, false, corp, nil},
		"as before":                      {config(operator, leaf, nil), true, operator, nil},
		"as before, by cert-manager":     {config(corp, nil, nil), false, corp, nil},
		"another authority of the same":  {config(operator, leaf, nil), true, founded(t), nil},
		"cert-manager takes over":        {config(operator, leaf, nil), false, corp, operator},
		"cert-manager is taking over":    {config(slices.Concat(corp, operator), nil, operator), false, corp, operator},
		"and it is over":                 {config(corp, nil, nil), false, corp, nil},
		"the operator takes over":        {config(corp, nil, nil), true, operator, corp},
		"the operator is taking over":    {config(both, nil, corp), true, operator, corp},
		"it has signed":                  {config(both, leaf, corp), true, operator, corp},
		"back before cert-manager signs": {config(slices.Concat(corp, operator), nil, operator), true, operator, corp},
		"both have one authority":        {config(operator, leaf, nil), false, operator, nil},
	} {
		if got := previous(c.trust, c.byOperator, c.now); !bytes.Equal(got, c.want) {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func founded(t *testing.T) []byte {
	t.Helper()
	a, err := certificate.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a.Trusted()
}

// TestDuring: a handover ends by itself, and brings the Workspace back unless something else does so before.
func TestDuring(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		ago, renewal time.Duration
		previous     []byte
		want         []byte
		again        time.Duration
	}{
		"nobody before":   {0, time.Hour, nil, nil, time.Hour},
		"it begins":       {0, time.Hour, []byte("a"), []byte("a"), handover},
		"it goes on":      {4 * time.Minute, 0, []byte("a"), []byte("a"), handover - 4*time.Minute},
		"renewed earlier": {0, time.Minute, []byte("a"), []byte("a"), time.Minute},
		"it is over":      {handover, time.Hour, []byte("a"), nil, time.Hour},
	} {
		r := &run{now: now, renewal: c.renewal}
		if got := r.during(now.Add(-c.ago), c.previous); !bytes.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if r.renewal != c.again {
			t.Errorf("%s: again in %s, want %s", name, r.renewal, c.again)
		}
	}
}
