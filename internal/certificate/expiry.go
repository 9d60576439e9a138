// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package certificate

import "time"

// Expires returns when the newest certificate of the authority expires; the zero time if it has none.
func (a Authority) Expires() time.Time {
	if len(a.pairs) == 0 {
		return time.Time{}
	}
	return a.pairs[0].certificate.NotAfter
}

// Expires returns when a certificate, as PEM, expires; the zero time if it is none.
func Expires(text []byte) time.Time {
	certificates, err := parseCertificates(text)
	if err != nil || len(certificates) == 0 {
		return time.Time{}
	}
	return certificates[0].NotAfter
}
