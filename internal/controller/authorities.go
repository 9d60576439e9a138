// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/certificate"
)

const (
	// authorityName is the Secret of the operator's namespace that holds the authority.
	authorityName = "workspace-operator-ca"
	// authorityCheck is how often the authority is looked at, though it lives for years: a deleted Secret is written again.
	authorityCheck = 12 * time.Hour
)

// authorities keeps the certificate authority in the operator's namespace. It is read when the first certificate is
// needed, and not watched: a watch would need the right to list Secrets.
type authorities struct {
	client    client.Client
	live      client.Reader
	namespace string
	// changed tells all Workspaces to look again.
	changed func()

	mu      sync.Mutex
	current certificate.Authority
	checked time.Time
}

func (a *authorities) at(ctx context.Context, now time.Time) (certificate.Authority, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.checked.IsZero() && now.Sub(a.checked) < authorityCheck {
		return a.current, nil
	}
	current, err := a.refresh(ctx, now)
	if err != nil {
		return certificate.Authority{}, err
	}
	if !a.checked.IsZero() && !bytes.Equal(a.current.Trusted(), current.Trusted()) {
		a.changed()
	}
	a.current, a.checked = current, now
	return current, nil
}

// refresh reads the stored authority, or founds one, and stores what changed.
func (a *authorities) refresh(ctx context.Context, now time.Time) (certificate.Authority, error) {
	secret := &corev1.Secret{}
	err := a.live.Get(ctx, client.ObjectKey{Namespace: a.namespace, Name: authorityName}, secret)
	switch {
	case apierrors.IsNotFound(err):
		return a.found(ctx, now)
	case err != nil:
		return certificate.Authority{}, fmt.Errorf("reading the certificate authority: %w", err)
	}
	stored, err := certificate.Parse(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return stored, fmt.Errorf("the Secret %s/%s is damaged, delete it to have a new authority founded: %w", a.namespace, authorityName, err)
	}
	rotated, changed, err := stored.Rotated(now)
	if err != nil || !changed {
		return rotated, err
	}
	if err := fill(secret, rotated); err != nil {
		return rotated, err
	}
	// A conflict means that another replica was first; the next look finds what it wrote.
	if err := a.client.Update(ctx, secret); err != nil {
		return rotated, fmt.Errorf("storing the certificate authority: %w", err)
	}
	return rotated, nil
}

func (a *authorities) found(ctx context.Context, now time.Time) (certificate.Authority, error) {
	founded := a.current
	if a.checked.IsZero() {
		var err error
		if founded, err = certificate.New(now); err != nil {
			return founded, err
		}
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: a.namespace, Name: authorityName, Labels: map[string]string{v1beta1.LabelManagedBy: v1beta1.ManagedBy},
	}, Type: corev1.SecretTypeTLS}
	if err := fill(secret, founded); err != nil {
		return founded, err
	}
	if err := a.client.Create(ctx, secret, client.FieldOwner(v1beta1.ManagedBy)); err != nil {
		return founded, fmt.Errorf("storing the certificate authority: %w", err)
	}
	return founded, nil
}

func fill(secret *corev1.Secret, a certificate.Authority) error {
	keys, err := a.Keys()
	if err != nil {
		return err
	}
	if len(a.Trusted()) == 0 {
		return errors.New("storing the certificate authority: there is none")
	}
	secret.Data = map[string][]byte{corev1.TLSCertKey: a.Trusted(), corev1.TLSPrivateKeyKey: keys}
	return nil
}
