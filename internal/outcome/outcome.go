// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package outcome says how a step of a reconcile ends when it does not simply succeed: Waiting for something that will
// bring us back, or Terminal until the spec changes. Any other error is retried with backoff.
package outcome

import (
	"time"
)

// Waiting ends a step that needs something which is not there yet. A watch brings the Workspace back; After, if not
// zero, does so at the latest then.
type Waiting struct {
	// Reason is one of api/v1beta1's reasons.
	Reason string
	// Message says what is waited for and what the user can do.
	Message string
	// After is when to look again although no event came; zero means that a watch will tell.
	After time.Duration
}

func (w *Waiting) Error() string { return w.Reason + ": " + w.Message }

// Terminal ends a step that cannot succeed before the Workspace or something it names is changed.
type Terminal struct {
	// Reason is one of api/v1beta1's reasons.
	Reason string
	// Err says what is wrong and what to write instead.
	Err error
}

func (t *Terminal) Error() string { return t.Err.Error() }

func (t *Terminal) Unwrap() error { return t.Err }
