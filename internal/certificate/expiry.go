// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package certificate

import (
	"bytes"
	"encoding/pem"
	"time"
)

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

// Issued returns when a certificate that Issue made, as PEM, was signed; the zero time if it is none.
func Issued(text []byte) time.Time {
	certificates, err := parseCertificates(text)
	if err != nil || len(certificates) == 0 {
		return time.Time{}
	}
	return certificates[0].NotBefore.Add(backdate)
}

// Without returns those of some certificates, as PEM, that are not among others.
func Without(text, others []byte) []byte {
	var out bytes.Buffer
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if !contains(others, block.Bytes) {
			_ = pem.Encode(&out, &pem.Block{Type: block.Type, Bytes: block.Bytes})
		}
	}
	return out.Bytes()
}

func contains(text, der []byte) bool {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if bytes.Equal(block.Bytes, der) {
			return true
		}
	}
	return false
}
