// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"time"

	"github.com/workspace-operator/workspace-operator/test/scale/internal/report"
	"github.com/workspace-operator/workspace-operator/test/scale/internal/subject"
)

// spent is the processor time of everybody at one moment.
type spent struct {
	at                                  time.Time
	busy, etcd, server, subject, actors time.Duration
}

// spent reads all clocks. subjectCPU is that of what is measured.
func (st *stage) spent(subjectCPU time.Duration) (spent, error) {
	s := spent{at: time.Now(), subject: subjectCPU}
	var errs [3]error
	s.busy, errs[0] = subject.Busy()
	s.etcd, s.server, errs[1] = st.lab.Usage()
	own, err := subject.UsageOf(os.Getpid())
	s.actors, errs[2] = own.CPU, err
	return s, errors.Join(errs[:]...)
}

// addCPU notes who used the machine between two moments, per Workspace, and what share of it went elsewhere: times mean
// little when that is not small.
func addCPU(s *report.Scenario, from, to spent, n int) {
	each := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(n) }
	subjects, servers := to.subject-from.subject, to.server-from.server+to.etcd-from.etcd
	s.Add("CPU per Workspace", each(subjects), "ms")
	s.Add("CPU per Workspace of API server and etcd", each(servers), "ms")
	s.Add("CPU per Workspace of load and actors", each(to.actors-from.actors), "ms")
	others := (to.busy - from.busy) - subjects - servers - (to.actors - from.actors)
	s.Add("cores used by other programs meanwhile", max(0, others.Seconds())/to.at.Sub(from.at).Seconds(), "")
}
