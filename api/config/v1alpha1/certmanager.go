// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"regexp"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	certManagerGroup  = "cert-manager.io"
	kindIssuer        = "Issuer"
	kindClusterIssuer = "ClusterIssuer"

	certificateBlock = "CERTIFICATE"
)

func defaultIssuer(r *IssuerReference) {
	r.Kind = orDefault(r.Kind, kindClusterIssuer)
	r.Group = orDefault(r.Group, certManagerGroup)
}

func (t GatewayTLS) validate(at *field.Path) field.ErrorList {
	if t.CertManager == nil {
		return nil
	}
	all := t.CertManager.validate(at.Child("certManager"))
	if t.InsecureSkipVerify {
		all = append(all, field.Forbidden(at.Child("insecureSkipVerify"),
			"with certManager the gateway verifies certificates: write one of the two"))
	}
	return all
}

func (c CertManager) validate(at *field.Path) field.ErrorList {
	all := c.IssuerRef.validate(at.Child("issuerRef"))
	bundle := at.Child("caBundle")
	if c.CABundle == "" {
		return append(all, field.Required(bundle,
			"gateways verify by it: write the certificate of the authority that the issuer signs with, -----BEGIN CERTIFICATE----- and what follows"))
	}
	if err := checkAuthorities([]byte(c.CABundle)); err != nil {
		// Without the value, in which there may be a key that got there by mistake.
		all = append(all, field.Forbidden(bundle, err.Error()))
	}
	return all
}

func (r IssuerReference) validate(at *field.Path) field.ErrorList {
	var all field.ErrorList
	if r.Name == "" {
		all = append(all, field.Required(at.Child("name"), "the name of the issuer that signs the certificates"))
	} else {
		all = append(all, validateNames([]string{r.Name}, at.Child("name"))...)
	}
	for _, message := range validation.IsDNS1123Subdomain(r.Group) {
		all = append(all, field.Invalid(at.Child("group"), r.Group, message))
	}
	switch {
	case r.Group == certManagerGroup && r.Kind != kindIssuer && r.Kind != kindClusterIssuer:
		all = append(all, field.NotSupported(at.Child("kind"), r.Kind, []string{kindIssuer, kindClusterIssuer}))
	case !regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,62}$`).MatchString(r.Kind):
		all = append(all, field.Invalid(at.Child("kind"), r.Kind, "must be a kind, such as ClusterIssuer"))
	}
	return all
}

// checkAuthorities accepts certificates of authorities, as PEM, with comments between them.
func checkAuthorities(text []byte) error {
	count := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		count++
		if block.Type != certificateBlock {
			return fmt.Errorf("block %d is a %s: write certificates only, since everybody may read them", count, block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("block %d is no certificate: %w", count, err)
		}
		if !certificate.BasicConstraintsValid || !certificate.IsCA {
			return fmt.Errorf("block %d, %s, is not the certificate of an authority: write that of the issuer, not one that it signed",
				count, certificate.Subject)
		}
	}
	switch begun := bytes.Count(text, []byte("-----BEGIN ")); {
	case begun > count:
		// Decode passes over what it cannot read.
		return fmt.Errorf("%d of its %d blocks can be read: is one cut off, or its indentation lost?", count, begun)
	case count == 0:
		return fmt.Errorf("holds no certificate: write it as PEM, from -----BEGIN %[1]s----- to -----END %[1]s-----", certificateBlock)
	default:
		return nil
	}
}
