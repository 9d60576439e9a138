// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"bytes"
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/certificate"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// applyCertificate writes what the Endpoint Picker serves and what gateways verify it by, before the pool that mounts it.
func (r *run) applyCertificate(ctx context.Context) error {
	key := client.ObjectKeyFromObject(r.ws)
	if r.planErr != nil || r.plan.TLS == nil {
		r.leaves.Delete(key)
		if r.planErr == nil {
			r.metrics.CertificateExpires(key, time.Time{})
		}
		return nil
	}
	trust, known := r.children.Find(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: r.plan.TLS.Name}}).(*corev1.ConfigMap)
	certify := r.certify
	if r.plan.TLS.CertManager != nil {
		certify = r.request
	}
	if err := certify(ctx, trust); err != nil {
		r.certificateErr = certificateError(err)
		if r.plan.Route != nil {
			r.routeErr = r.certificateErr
		}
		if !known {
			// There is nothing to mount yet: the pool must not wait for it.
			pool := *r.plan.Pool
			pool.TLSSecret = ""
			r.plan.Pool = &pool
		}
	}
	return nil
}

func certificateError(err error) error {
	if _, ok := errors.AsType[*outcome.Waiting](err); ok {
		return err
	}
	return &outcome.Waiting{Reason: v1beta1.ReasonCertificateUnavailable, After: takenInterval, Message: err.Error()}
}

// certify has the Secret and the ConfigMap hold a certificate that is good for a while.
func (r *run) certify(ctx context.Context, trust *corev1.ConfigMap) error {
	authority, err := r.authorities.at(ctx, r.now)
	if err != nil {
		return err
	}
	if err := r.takeOver(ctx, trust, authority.Trusted()); err != nil {
		return err
	}
	text, pending := r.servedNow(trust)
	renewal, serves := authority.Serves(r.now, text, r.plan.TLS.DNSNames)
	lost, err := r.secretLost(ctx)
	if err != nil {
		return err
	}
	if pending || lost || !serves {
		leaf, err := r.leaf(authority)
		if err != nil {
			return err
		}
		if _, err := r.apply(ctx, route.Secret(r.plan, leaf.Certificate, leaf.Key)); err != nil {
			return err
		}
		text = leaf.Certificate
		renewal, _ = authority.Serves(r.now, text, r.plan.TLS.DNSNames)
	}
	r.renewal = renewal.Sub(r.now)
	r.metrics.AuthorityExpires(authority.Expires())
	r.metrics.CertificateExpires(client.ObjectKeyFromObject(r.ws), certificate.Expires(text))
	_, err = r.apply(ctx, route.Trust(r.plan, route.Trusted{
		Authorities: authority.Trusted(), Served: text,
		Previous: r.during(certificate.Issued(text), previous(trust, true, authority.Trusted())),
	}))
	return err
}

// servedNow returns the certificate that was made last, and whether the caches do not show yet that it was written.
func (r *run) servedNow(trust *corev1.ConfigMap) ([]byte, bool) {
	var text []byte
	if trust != nil {
		text = []byte(trust.Data[corev1.TLSCertKey])
	}
	key := client.ObjectKeyFromObject(r.ws)
	made, pending := r.leaves.Load(key)
	if !pending {
		return text, false
	}
	if leaf := made.(certificate.Leaf); !bytes.Equal(leaf.Certificate, text) {
		return leaf.Certificate, true
	}
	// The Secret is written before the ConfigMap, so both are; Secrets are not watched, and nothing else would forget it.
	r.leaves.Delete(key)
	r.applier.Forget("Secret", r.certificateKey(r.plan.TLS.Name))
	return text, false
}

// leaf returns the certificate that this process made a moment ago and the caches do not show yet, else a new one.
func (r *run) leaf(authority certificate.Authority) (certificate.Leaf, error) {
	names := r.plan.TLS.DNSNames
	key := client.ObjectKeyFromObject(r.ws)
	if made, ok := r.leaves.Load(key); ok {
		leaf := made.(certificate.Leaf)
		if _, serves := authority.Serves(r.now, leaf.Certificate, names); serves {
			return leaf, nil
		}
	}
	leaf, err := authority.Issue(r.now, names)
	if err == nil {
		r.leaves.Store(key, leaf)
	}
	return leaf, err
}

// secretLost says that the Secret is gone, which shows only when an Endpoint Picker cannot start: Secrets are not watched.
func (r *run) secretLost(ctx context.Context) (bool, error) {
	epp := r.children.EPP
	if epp == nil || epp.Status.AvailableReplicas > 0 || epp.Status.Replicas == 0 {
		return false, nil
	}
	key := r.certificateKey(r.plan.TLS.Name)
	_, err := r.applier.Look(ctx, secretKind(), key)
	if apierrors.IsNotFound(err) {
		r.applier.Forget("Secret", key)
		return true, nil
	}
	return false, err
}

func secretKind() schema.GroupVersionKind { return corev1.SchemeGroupVersion.WithKind("Secret") }

func (r *run) certificateKey(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: r.ws.Namespace, Name: name}
}

// dropCertificate deletes the Secret that belongs to a ConfigMap of authorities, before that one, by which it is known.
func (r *run) dropCertificate(ctx context.Context, trust *corev1.ConfigMap) error {
	if r.gateway.TLS.CertManager != nil {
		// Its Secrets are cert-manager's own affair, and the operator needs no right on them.
		return nil
	}
	if !route.SignedByOperator(trust) {
		if _, err := r.dropRequested(ctx, trust.Name); err != nil {
			return err
		}
	}
	secret, ours, err := r.ownSecret(ctx, trust.Name)
	switch {
	case apierrors.IsForbidden(err):
		// Who has switched certificates off may have taken the right away, too: then the Secret goes with its owner.
		return nil
	case err != nil || !ours:
		return err
	default:
		return r.applier.Delete(ctx, secret)
	}
}
