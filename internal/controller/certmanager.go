// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/apply"
	"github.com/workspace-operator/workspace-operator/internal/certificate"
	"github.com/workspace-operator/workspace-operator/internal/observe"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
	"github.com/workspace-operator/workspace-operator/internal/status"
)

const (
	// handover is how long the authorities of before stay trusted once the new one has signed: a kubelet takes a minute or
	// two to hand on a Secret.
	handover = 10 * time.Minute
	// issueInterval is how long a new pool waits for its certificate. One that is made before it has its Endpoint Picker
	// replaced for it, which is better than to have none because cert-manager does not work.
	issueInterval = 10 * time.Second
)

// request has cert-manager make the certificate. The ConfigMap is written when there is one, since by it the Secret is
// known to be there.
func (r *run) request(ctx context.Context, trust *corev1.ConfigMap) error {
	if !r.served.Certificates() {
		return &outcome.Waiting{Reason: v1beta1.ReasonCRDNotFound, Message: "not installed in this cluster: " + observe.CRDCertificate}
	}
	tls := r.plan.TLS
	made, _ := r.children.Find(&route.Certificate{ObjectMeta: metav1.ObjectMeta{Name: tls.Name}}).(*route.Certificate)
	problem, since := status.Unissued(made)
	if problem != "" {
		since = r.now
	}
	if made != nil && made.Status.NotAfter != nil {
		r.metrics.CertificateExpires(client.ObjectKeyFromObject(r.ws), made.Status.NotAfter.Time)
	}
	if trust != nil || problem == "" {
		// Before the Certificate: gateways trust its authority when it has signed.
		authorities := []byte(tls.CertManager.CABundle)
		if _, err := r.apply(ctx, route.Trust(r.plan, route.Trusted{
			Authorities: authorities, Previous: r.during(since, previous(trust, false, authorities)),
		})); err != nil {
			return err
		}
	}
	changing, err := r.apply(ctx, route.Requested(r.plan))
	if err != nil {
		return err
	}
	if changing {
		problem = "cert-manager has not looked at it since it was written"
	}
	if problem == "" {
		return nil
	}
	if trust == nil {
		r.issuing = issueInterval - age(made, r.now)
	}
	issuer := tls.CertManager.IssuerRef
	return &outcome.Waiting{Reason: v1beta1.ReasonCertificateUnavailable, Message: fmt.Sprintf(
		"Certificate %s is not Ready: %s; is %s %s there, and Ready?", tls.Name, problem, issuer.Kind, issuer.Name)}
}

func age(c *route.Certificate, now time.Time) time.Duration {
	if c == nil {
		return 0
	}
	return now.Sub(c.CreationTimestamp.Time)
}

// previous returns the authorities that were trusted before those of now, if the ConfigMap is of a time when it was the
// other of operator and cert-manager who made certificates, or of the handover.
func previous(trust *corev1.ConfigMap, byOperator bool, now []byte) []byte {
	switch {
	case trust == nil:
		return nil
	case route.SignedByOperator(trust) != byOperator:
		return certificate.Without([]byte(trust.Data[route.AuthorityKey]), now)
	default:
		return certificate.Without([]byte(trust.Data[route.PreviousKey]), now)
	}
}

// during returns the authorities of before while the handover lasts, whose end brings us back.
func (r *run) during(since time.Time, previous []byte) []byte {
	left := since.Add(handover).Sub(r.now)
	if len(previous) == 0 || left <= 0 {
		return nil
	}
	if r.renewal == 0 || left < r.renewal {
		r.renewal = left
	}
	return previous
}

// takeOver ends what cert-manager did for a Workspace: gateways trust both from now on, and nobody else writes the Secret.
func (r *run) takeOver(ctx context.Context, trust *corev1.ConfigMap, authorities []byte) error {
	_, signed := r.leaves.Load(client.ObjectKeyFromObject(r.ws))
	if trust == nil || signed || route.SignedByOperator(trust) {
		return nil
	}
	_, err := r.apply(ctx, route.Trust(r.plan, route.Trusted{Authorities: authorities, Previous: previous(trust, true, authorities)}))
	if err != nil {
		return err
	}
	gone, err := r.dropRequested(ctx, trust.Name)
	if err != nil {
		return err
	}
	secret, ours, err := r.ownSecret(ctx, trust.Name)
	if err != nil || !ours {
		return err
	}
	if !gone {
		return &outcome.Waiting{Reason: v1beta1.ReasonCertificateUnavailable, After: takenInterval, Message: fmt.Sprintf(
			"Secret %[1]s is cert-manager's, and the operator has no right to delete the Certificate %[1]s: delete both", trust.Name)}
	}
	return r.applier.Delete(ctx, secret)
}

// dropRequested deletes the Certificate of a Workspace where Certificates are not watched, and says whether it is known to
// be gone: without cert-manager the operator may have no right on them.
func (r *run) dropRequested(ctx context.Context, name string) (bool, error) {
	found, err := r.applier.Look(ctx, route.CertificateKind(), r.certificateKey(name))
	switch {
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return true, nil
	case apierrors.IsForbidden(err):
		return false, nil
	case err != nil:
		return false, err
	case !metav1.IsControlledBy(found, r.ws):
		return true, nil
	default:
		return true, r.applier.Delete(ctx, found)
	}
}

// ownSecret returns the metadata of the Secret that is served, and whether the operator wrote it or had cert-manager do so.
func (r *run) ownSecret(ctx context.Context, name string) (*metav1.PartialObjectMetadata, bool, error) {
	key := r.certificateKey(name)
	found, err := r.applier.Look(ctx, secretKind(), key)
	if _, taken := errors.AsType[*apply.TakenError](err); taken || apierrors.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	ours := metav1.IsControlledBy(found, r.ws) || route.FilledByCertManager(found, r.ws.Name)
	if ours {
		r.applier.Forget("Secret", key)
	}
	return found, ours, nil
}
