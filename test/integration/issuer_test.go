// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/internal/certificate"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

func certManagerCRDs() []string {
	var files []string
	for _, kind := range []string{"certificates", "certificaterequests", "issuers", "clusterissuers"} {
		files = append(files, crd("cert-manager", "cert-manager.io_"+kind+".yaml"))
	}
	return files
}

// startCertManager starts cert-manager's controllers for the time of the test.
func (s *scene) startCertManager() {
	s.t.Helper()
	running, err := startChild(filepath.Join(s.dir, "cert-manager.log"), exec.Command(
		filepath.Join(root(), "bin", "cert-manager"), "--kubeconfig="+filepath.Join(s.dir, "manager.kubeconfig")))
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.t.Cleanup(func() {
		if err := running.stop(); err != nil {
			s.t.Error(err)
		}
		if s.t.Failed() {
			s.t.Logf("cert-manager: …%s", running.tail())
		}
	})
}

// issuer is an authority that cert-manager has the key of.
type issuer struct{ authority certificate.Authority }

func newIssuer(t *testing.T) issuer {
	t.Helper()
	founded, err := certificate.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return issuer{authority: founded}
}

func (i issuer) bundle() string { return string(i.authority.Trusted()) }

// configuration has cert-manager make the certificates.
func (i issuer) configuration() string {
	return fmt.Sprintf("gateway: {probe: false, tls: {certManager: {issuerRef: {name: corp, kind: Issuer}, caBundle: %q}}}\n", i.bundle())
}

func (i issuer) signed(leaf *x509.Certificate) bool {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(i.bundle()))
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots})
	return err == nil
}

// issues makes the Issuer corp in the scene's namespace.
func (s *scene) issues(i issuer) {
	s.t.Helper()
	keys, err := i.authority.Keys()
	s.Expect(err).NotTo(gomega.HaveOccurred())
	secret := &corev1.Secret{Type: corev1.SecretTypeTLS, Data: map[string][]byte{corev1.TLSCertKey: []byte(i.bundle()), corev1.TLSPrivateKeyKey: keys}}
	secret.Namespace, secret.Name = s.namespace, "corp"
	s.create(secret)
	one := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"ca": map[string]any{"secretName": "corp"}}}}
	one.SetAPIVersion("cert-manager.io/v1")
	one.SetKind("Issuer")
	one.SetNamespace(s.namespace)
	one.SetName("corp")
	s.create(one)
}

// withoutRights takes the operator's rights on an API group away, and returns what gives them back.
func (s *scene) withoutRights(group string) func() {
	s.t.Helper()
	role := &rbacv1.ClusterRole{}
	s.Expect(s.Get(s.t.Context(), client.ObjectKey{Name: operatorUser}, role)).To(gomega.Succeed())
	rules := slices.Clone(role.Rules)
	s.edit(role, func() {
		role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.APIGroups, group) })
	})
	return func() { s.edit(role, func() { role.Rules = rules }) }
}

// touch has the operator look at a Workspace.
func (s *scene) touch(workspace string) {
	s.t.Helper()
	ws := s.expect(workspace)
	s.edit(ws, func() { ws.Annotations = withKey(ws.Annotations, "example.com/touched", time.Now().String()) })
}

// served is the certificate that the Endpoint Picker of a Workspace is to serve, if a gateway would accept it.
func (s *scene) served(workspace string) (*x509.Certificate, error) {
	s.t.Helper()
	secret, trust := &corev1.Secret{}, &corev1.ConfigMap{}
	if !s.get(secret, routeObject(secret, workspace)) || !s.get(trust, routeObject(trust, workspace)) {
		return nil, errors.New("Secret or ConfigMap is missing")
	}
	leaf, err := leafOf(secret)
	if err != nil {
		return nil, err
	}
	return leaf, accepts(trust, leaf, eppName(workspace)+"."+s.namespace+".svc")
}

func leafOf(secret *corev1.Secret) (*x509.Certificate, error) {
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, err
	}
	return pair.Leaf, nil
}

// accepts says whether a gateway would accept a certificate by what a ConfigMap has.
func accepts(trust *corev1.ConfigMap, leaf *x509.Certificate, name string) error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(trust.Data[route.AuthorityKey])) {
		return errors.New("the ConfigMap has no authority")
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
		return fmt.Errorf("a gateway would refuse it: %w", err)
	}
	return nil
}

// verifier records the Secret and the ConfigMap of one Workspace's Endpoint Picker, as they follow each other.
type verifier struct {
	s       *scene
	name    string
	server  string
	watches []watch.Interface
	done    sync.WaitGroup

	mu   sync.Mutex
	seen []client.Object
}

func (s *scene) verifier(workspace string) *verifier {
	s.t.Helper()
	v := &verifier{s: s, name: routeObject(&corev1.Secret{}, workspace), server: eppName(workspace) + "." + s.namespace + ".svc"}
	for _, list := range []client.ObjectList{&corev1.SecretList{}, &corev1.ConfigMapList{}} {
		events, err := s.Watch(s.cleanup(), list, client.InNamespace(s.namespace), client.MatchingFields{"metadata.name": v.name})
		s.Expect(err).NotTo(gomega.HaveOccurred())
		v.watches = append(v.watches, events)
		s.t.Cleanup(events.Stop)
		v.done.Go(func() { v.record(events) })
	}
	return v
}

func (v *verifier) record(events watch.Interface) {
	for event := range events.ResultChan() {
		// A kubelet leaves what it has mounted as it is when the Secret is gone; an error is how a watch ends.
		if event.Type != watch.Added && event.Type != watch.Modified {
			continue
		}
		v.mu.Lock()
		v.seen = append(v.seen, event.Object.(client.Object))
		v.mu.Unlock()
	}
}

// check proves that at each moment a gateway accepts what is in the Secret, and also what was in it before: the Endpoint
// Picker serves that a while longer. The operator signs once; cert-manager may sign twice: it keeps Secrets with its label
// and Secrets without in two caches, and one that it has just labelled is for a moment in neither.
func (v *verifier) check(corp issuer) {
	v.s.t.Helper()
	for _, events := range v.watches {
		events.Stop()
	}
	v.done.Wait()
	slices.SortStableFunc(v.seen, func(a, b client.Object) int {
		order, err := resourceversion.CompareResourceVersion(a.GetResourceVersion(), b.GetResourceVersion())
		v.s.Expect(err).NotTo(gomega.HaveOccurred())
		return cmp.Compare(order, 0)
	})
	var trust *corev1.ConfigMap
	leaves := map[string]*x509.Certificate{}
	for _, obj := range v.seen {
		switch o := obj.(type) {
		case *corev1.ConfigMap:
			trust = o
		case *corev1.Secret:
			leaf, err := leafOf(o)
			v.s.Expect(err).NotTo(gomega.HaveOccurred())
			leaves[leaf.SerialNumber.String()] = leaf
		}
		for _, leaf := range leaves {
			if trust != nil {
				v.s.Expect(accepts(trust, leaf, v.server)).To(gomega.Succeed(), "after %T %s", obj, obj.GetResourceVersion())
			}
		}
	}
	byCorp := 0
	for _, leaf := range leaves {
		if corp.signed(leaf) {
			byCorp++
		}
	}
	v.s.Expect(byCorp).To(gomega.BeNumerically(">", 0), "certificates of the issuer's authority")
	v.s.Expect(len(leaves)-byCorp).To(gomega.Equal(1), "certificates of the operator's authority")
}
