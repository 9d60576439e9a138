// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

// TestCertManager takes Workspaces from the operator's own certificates to those of the real cert-manager, and back. The
// issuer is an Issuer: to its Certificates a Secret that the operator filled could seem to be their own.
func TestCertManager(t *testing.T) {
	t.Parallel()
	c := startCluster(t, slices.Concat(allCRDs(), gatewayCRDs(), []string{istioCRD()})...)
	s := newScene(t, c)
	s.record.lenient = true
	s.node("a", 5)
	s.gatewayClass()
	s.gateway(s.proxy())
	corp := newIssuer(t)
	const signing = "gateway: {probe: false}\n"

	operator := c.startOperator(t, gateOn()+signing)
	s.routed("phi", offered("phi.example.com"))
	generation := s.release("phi").Generation
	seen := s.verifier("phi")
	s.Expect(operator.stop()).To(gomega.Succeed())

	s.step("cert-manager is configured")
	mark := s.mark(t)
	operator = c.startOperator(t, gateOn()+corp.configuration())
	certManagerComesLate(s)
	issuerComesLate(s, corp)
	seen.check(corp)
	made := &route.Certificate{}
	s.Expect(s.get(made, routeObject(made, "phi"))).To(gomega.BeTrue())
	s.Expect(made.Generation).To(gomega.Equal(int64(1)), "the operator has it issued once")
	s.tellsExpiry(operator, "phi", "second")
	handoverEnds(s, corp)
	renewed(s, corp)
	requestsOfOthers(s)
	s.Expect(s.operatorRequests(t, mark, func(r request) bool { return r.ObjectRef.Resource == "secrets" })).To(gomega.BeEmpty())
	s.Expect(operator.stop()).To(gomega.Succeed())

	s.step("the operator signs again")
	back := []*verifier{s.verifier("phi"), s.verifier("second")}
	restore := s.withoutRights("cert-manager.io")
	operator = c.startOperator(t, gateOn()+signing)
	signsAgain(s, corp, restore)
	for _, v := range back {
		v.check(corp)
	}
	s.Expect(s.release("phi").Generation).To(gomega.Equal(generation), "its endpoint picker mounts the same Secret all the time")
	s.tellsExpiry(operator, "phi", "second", "fourth")
}

// signsAgain: the operator takes nothing from cert-manager that cert-manager would take back.
func signsAgain(s *scene, corp issuer, restore func()) {
	s.t.Helper()
	for _, name := range []string{"phi", "second"} {
		secret := routeObject(&corev1.Secret{}, name)
		s.expect(name, "RouteReady=False CertificateNotAvailable: Secret "+secret+" is cert-manager's, and the operator has no right to delete the Certificate "+secret+": delete both")
	}
	s.step("somebody deletes both")
	for _, obj := range []client.Object{&route.Certificate{}, &corev1.Secret{}} {
		obj.SetNamespace(s.namespace)
		obj.SetName(routeObject(obj, "second"))
		s.Expect(s.Delete(s.t.Context(), obj)).To(gomega.Succeed())
	}
	s.touch("second")
	s.expect("second", "RouteReady=True RouteReady", "Ready=True Ready")
	s.step("the operator has the right")
	restore()
	s.touch("phi")
	s.expect("phi", "RouteReady=True RouteReady", "Ready=True Ready")
	for _, name := range []string{"phi", "second"} {
		s.gone(&route.Certificate{}, routeObject(&corev1.Secret{}, name))
		leaf, err := s.served(name)
		s.Expect(err).NotTo(gomega.HaveOccurred())
		s.Expect(corp.signed(leaf)).To(gomega.BeFalse())
	}
}

// certManagerComesLate: what serves goes on, and gateways trust both authorities before anything is signed.
func certManagerComesLate(s *scene) {
	s.t.Helper()
	s.expect("phi", "RouteReady=False CRDNotFound: not installed in this cluster: certificates.cert-manager.io; install cert-manager, or remove gateway.tls.certManager",
		"InferencePoolReady=True PoolReady", "!Stalled")
	s.step("one who routes by hand")
	s.workspace("hand", func(ws *v1beta1.Workspace) { ws.Inference.Gateway = &v1beta1.GatewaySpec{Mode: v1beta1.RouteNone} })
	s.expect("hand", "InferencePoolReady=False CRDNotFound: not installed in this cluster: certificates.cert-manager.io", "!RouteReady", "!Stalled")
	s.step("its API comes")
	for _, file := range certManagerCRDs() {
		s.install(file)
	}
	s.expect("phi", "RouteReady=False CertificateNotAvailable: Certificate phi-inferencepool-epp-tls is not Ready: cert-manager has said nothing of it yet: does it run?; is Issuer corp there",
		"InferencePoolReady=True PoolReady")
	trust := &corev1.ConfigMap{}
	s.Expect(s.get(trust, routeObject(trust, "phi"))).To(gomega.BeTrue())
	s.Expect(strings.Count(trust.Data[route.AuthorityKey], "BEGIN CERTIFICATE")).To(gomega.Equal(2))
	s.step("cert-manager runs")
	s.startCertManager()
	s.expect("phi", "RouteReady=False CertificateNotAvailable: Existing private key is not up to date for spec")
}

// issuerComesLate: a pool is there without a certificate, and gets it.
func issuerComesLate(s *scene, corp issuer) {
	s.t.Helper()
	s.step("a second Workspace")
	s.workspace("second", offered("second.example.com"))
	s.expect("second", "InferencePoolReady=False PoolProgressing: it waits up to 10s for the certificate of its endpoint picker")
	s.expect("second", "RouteReady=False CertificateNotAvailable: DoesNotExist: Issuing certificate as Secret does not exist; is Issuer corp there, and Ready?",
		"InferencePoolReady=False PoolProgressing: v1.5.0")
	mounted := routeObject(&corev1.Secret{}, "second")
	s.Expect(s.release("second").Spec.Values.Raw).NotTo(gomega.ContainSubstring(mounted), "there is nothing to mount yet")
	s.allButRoute("second")

	s.step("the issuer comes")
	s.issues(corp)
	s.until(func() error {
		if !strings.Contains(string(s.release("second").Spec.Values.Raw), mounted) {
			return errors.New("the endpoint picker does not mount the certificate")
		}
		return nil
	})
	s.allButRoute("second")
	s.attached("second")
	for _, name := range []string{"phi", "second"} {
		s.expect(name, "RouteReady=True RouteReady", "Ready=True Ready")
		leaf, err := s.served(name)
		s.Expect(err).NotTo(gomega.HaveOccurred())
		s.Expect(corp.signed(leaf)).To(gomega.BeTrue())
		s.Expect(leaf.DNSNames).To(gomega.ContainElement(eppName(name) + "." + s.namespace + ".svc"))
	}

	s.ready("hand")
	s.Expect(s.release("hand").Spec.Values.Raw).To(gomega.ContainSubstring(routeObject(&corev1.Secret{}, "hand")))

	s.step("another one, when all is there")
	s.workspace("third", offered("third.example.com"))
	s.Expect(s.release("third").Generation).To(gomega.Equal(int64(1)))
	s.Expect(s.release("third").Spec.Values.Raw).To(gomega.ContainSubstring(routeObject(&corev1.Secret{}, "third")), "its endpoint picker is installed once")
}

// handoverEnds: the operator's authority is trusted for ten minutes more.
func handoverEnds(s *scene, corp issuer) {
	s.t.Helper()
	trust := &corev1.ConfigMap{}
	s.Expect(s.get(trust, routeObject(trust, "phi"))).To(gomega.BeTrue())
	s.Expect(trust.Data[route.PreviousKey]).NotTo(gomega.BeEmpty())
	s.step("ten minutes later")
	made := &route.Certificate{}
	s.Expect(s.get(made, routeObject(trust, "phi"))).To(gomega.BeTrue())
	s.status(made, func() {
		for i := range made.Status.Conditions {
			made.Status.Conditions[i].LastTransitionTime = metav1.NewTime(time.Now().Add(-10 * time.Minute))
		}
	})
	s.until(func() error {
		s.get(trust, trust.Name)
		if len(trust.Data) != 1 || trust.Data[route.AuthorityKey] != corp.bundle() {
			return fmt.Errorf("the ConfigMap has %v", trust.Data)
		}
		return nil
	})
}

// renewed: what cert-manager renews, and makes anew when it is lost, is none of the operator's business.
func renewed(s *scene, corp issuer) {
	s.t.Helper()
	first, err := s.served("phi")
	s.Expect(err).NotTo(gomega.HaveOccurred())
	mark := s.quietMark()
	s.step("the Secret is deleted")
	lost := &corev1.Secret{}
	s.Expect(s.get(lost, routeObject(lost, "phi"))).To(gomega.BeTrue())
	s.Expect(s.Delete(s.t.Context(), lost)).To(gomega.Succeed())
	s.until(func() error {
		leaf, err := s.served("phi")
		if err == nil && (!corp.signed(leaf) || leaf.SerialNumber.Cmp(first.SerialNumber) == 0) {
			return errors.New("it is not a new certificate")
		}
		return err
	})
	s.expect("phi", "RouteReady=True RouteReady")
	s.Expect(s.operatorRequests(s.t, mark, func(r request) bool {
		return r.isWrite() && r.ObjectRef.Namespace == s.namespace && r.ObjectRef.Resource != "events" && r.ObjectRef.Subresource != "status"
	})).To(gomega.BeEmpty())
}

// requestsOfOthers: a Certificate that somebody spoils is repaired, goes with the route, and one of somebody else's stays.
func requestsOfOthers(s *scene) {
	s.t.Helper()
	edited := routeTargets()["Certificate"]
	edited.name = routeObject(&corev1.Secret{}, "third")
	drift(s, edited)
	s.step("a route is not wanted any more")
	third := s.expect("third")
	s.edit(third, func() { third.Inference.Gateway = nil })
	for _, obj := range []client.Object{&route.Certificate{}, &corev1.ConfigMap{}} {
		s.gone(obj, routeObject(&corev1.Secret{}, "third"))
	}
	s.step("somebody else has a Certificate of the name")
	theirs := &route.Certificate{Spec: route.CertificateSpec{
		SecretName: "theirs", DNSNames: []string{"example.com"}, IssuerRef: route.IssuerReference{Name: "theirs"},
	}}
	theirs.Namespace, theirs.Name = s.namespace, routeObject(&corev1.Secret{}, "fourth")
	s.create(theirs)
	mark := s.mark(s.t)
	s.workspace("fourth", offered("fourth.example.com"))
	s.expect("fourth", "RouteReady=False NameTaken: Certificate fourth-inferencepool-epp-tls exists and belongs to", "!Stalled")
	s.Expect(s.operatorRequests(s.t, mark, s.writes(theirs))).To(gomega.BeEmpty(), "it is left as it is")
}

// tellsExpiry: the first of the certificates that are served is the one that is told of.
func (s *scene) tellsExpiry(operator *child, workspaces ...string) {
	s.t.Helper()
	var first time.Time
	for _, name := range workspaces {
		leaf, err := s.served(name)
		s.Expect(err).NotTo(gomega.HaveOccurred())
		if first.IsZero() || leaf.NotAfter.Before(first) {
			first = leaf.NotAfter
		}
	}
	s.metrics(operator, `kaito_workspace_certificate_expiry_timestamp_seconds{certificate="endpoint-picker"} `+
		strconv.FormatFloat(float64(first.Unix()), 'g', -1, 64))
}
