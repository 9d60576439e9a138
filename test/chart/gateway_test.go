// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// TestModels: with body-based routing the operator's pods serve the list of models at the Service that the configuration
// names, and without it there is neither.
func TestModels(t *testing.T) {
	t.Parallel()
	without := rendered(t, gateOn())
	for _, service := range without.of("Service") {
		if strings.HasSuffix(service.GetName(), "-models") {
			t.Errorf("there is a Service %s", service.GetName())
		}
	}
	for want, text := range map[string]string{
		releaseName + "-models": "bodyBasedRouting: {enabled: true}",
		"our-models":            "bodyBasedRouting: {enabled: true, modelsService: our-models}",
	} {
		all := rendered(t, values(t, "{featureGates: {gatewayAPIInferenceExtension: true}, config: {gateway: {"+text+"}}}"))
		if got := all.config(t).Gateway.BodyBasedRouting.ModelsService; got != want {
			t.Errorf("the operator is told of the Service %q, want %q", got, want)
		}
		var service corev1.Service
		convert(t, all.one(t, "Service", want).Object, &service)
		if port := service.Spec.Ports[0].Port; port != 80 {
			t.Errorf("%s has port %d; routes ask port 80", want, port)
		}
		checkServed(t, service, all.pods(t))
	}
}

// checkServed: the Service leads to a port of the operator's pods that the operator is told to serve.
func checkServed(t *testing.T, service corev1.Service, pods []named) {
	t.Helper()
	for _, pod := range pods {
		if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			continue
		}
		container := pod.Spec.Containers[0]
		for _, port := range container.Ports {
			if port.Name == service.Spec.Ports[0].TargetPort.StrVal && slices.Contains(container.Args, "--models-bind-address=:8090") && port.ContainerPort == 8090 {
				return
			}
		}
	}
	t.Errorf("%s leads nowhere", service.Name)
}

// checkPorts: a policy lets in everything that the pods serve, but for probes.
func checkPorts(t *testing.T, p networkingv1.NetworkPolicy, pods []named) {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
	if err != nil {
		t.Fatal(err)
	}
	open := map[int32]bool{}
	for _, rule := range p.Spec.Ingress {
		for _, port := range rule.Ports {
			open[port.Port.IntVal] = true
		}
	}
	for _, pod := range pods {
		if !selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		for _, port := range pod.Spec.Containers[0].Ports {
			if probed := strings.HasPrefix(port.Name, "health"); open[port.ContainerPort] == probed {
				t.Errorf("%s: port %s of %s is open: %t", p.Name, port.Name, pod.name, open[port.ContainerPort])
			}
			delete(open, port.ContainerPort)
		}
	}
	if len(open) > 0 {
		t.Errorf("%s opens ports that nobody serves: %v", p.Name, open)
	}
}

// TestSecrets: the operator can write certificates of its own, and neither change nor read a Secret that somebody else made.
func TestSecrets(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.mustInstall(t, gateOn())
	s.namespace(t, "models")
	foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: "foreign"}, StringData: map[string]string{"password": "x"}}
	if err := s.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	operator := s.as(t, releaseName)
	own := func(change func(*corev1.Secret)) *corev1.Secret {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "models", GenerateName: "epp-", Labels: map[string]string{"app.kubernetes.io/managed-by": "workspace-operator"},
			},
			Type: corev1.SecretTypeTLS, Data: map[string][]byte{corev1.TLSCertKey: {}, corev1.TLSPrivateKeyKey: {}},
		}
		change(secret)
		return secret
	}
	// A policy takes effect a moment after it was made.
	eventually(t, refused(func() error {
		return operator.Create(t.Context(), own(func(s *corev1.Secret) { s.Labels = nil }), client.DryRunAll)
	}, "may write only certificates"))
	mine := own(func(*corev1.Secret) {})
	if err := operator.Create(t.Context(), mine); err != nil {
		t.Errorf("a certificate of its own: %v", err)
	}
	look := func(secret *corev1.Secret) error {
		return operator.Patch(t.Context(), secret.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte("{}")), client.DryRunAll)
	}
	if err := look(mine); err != nil {
		t.Errorf("a look at its own: %v", err)
	}
	for want, try := range map[string]func() error{
		"may write only certificates": func() error {
			return operator.Create(t.Context(), own(func(s *corev1.Secret) { s.Type, s.Data = corev1.SecretTypeOpaque, nil }))
		},
		"is not one of": func() error {
			patch := []byte(`{"metadata":{"labels":{"app.kubernetes.io/managed-by":"workspace-operator"}}}`)
			return operator.Patch(t.Context(), foreign.DeepCopy(), client.RawPatch("application/merge-patch+json", patch))
		},
		"not one of the Workspace Operator's": func() error { return look(foreign) },
		"cannot get": func() error {
			return operator.Get(t.Context(), client.ObjectKeyFromObject(foreign), foreign.DeepCopy())
		},
		"cannot list":       func() error { return operator.List(t.Context(), &corev1.SecretList{}) },
		"is not one of the": func() error { return operator.Delete(t.Context(), foreign.DeepCopy()) },
	} {
		if err := refused(try, want)(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := operator.Delete(t.Context(), mine); err != nil {
		t.Errorf("deleting its own: %v", err)
	}
	// Others are not concerned.
	if err := s.Update(t.Context(), foreign); err != nil {
		t.Errorf("an administrator: %v", err)
	}
}

// TestCertManager: where cert-manager makes certificates, the operator writes Certificates and no Secrets. It keeps the right
// to remove the Certificates as long as there are any.
func TestCertManager(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.certificateAPI(t)
	s.namespace(t, "models")
	certificate := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"secretName": "epp", "dnsNames": []any{"epp.models.svc"}, "issuerRef": map[string]any{"name": "corp"},
	}}}
	certificate.SetAPIVersion("cert-manager.io/v1")
	certificate.SetKind("Certificate")
	certificate.SetNamespace("models")
	certificate.SetName("epp")
	certificate.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "workspace-operator"})
	asking := values(t, cases(t, "values")["cert-manager"])
	writes, removes := question{verb: "patch", resource: "secrets"}, question{verb: "delete", group: "cert-manager.io", resource: "certificates"}
	for _, step := range []struct {
		name             string
		values           map[string]any
		before           func() error
		secrets, removes bool
	}{
		{"without", gateOn(), func() error { return nil }, true, false},
		{"with it", asking, func() error { return nil }, false, true},
		{"without, and a Certificate left", gateOn(), func() error { return s.Create(t.Context(), certificate) }, true, true},
		{"and none left", gateOn(), func() error { return s.Delete(t.Context(), certificate) }, true, false},
	} {
		if err := step.before(); err != nil {
			t.Fatal(err)
		}
		all := s.mustInstall(t, step.values)
		if policies := len(all.of("ValidatingAdmissionPolicy")); policies > 0 != step.secrets {
			t.Errorf("%s: %d policies", step.name, policies)
		}
		if got := s.ask(t, releaseName, writes); got != step.secrets {
			t.Errorf("%s: the operator may write Secrets: %t", step.name, got)
		}
		if got := s.ask(t, releaseName, removes); got != step.removes {
			t.Errorf("%s: the operator may delete Certificates: %t", step.name, got)
		}
	}
	if asked := rendered(t, asking).config(t).Gateway.TLS.CertManager; asked == nil || asked.IssuerRef.Name != "corp" {
		t.Errorf("the operator is told of %v", asked)
	}
}

// certificateAPI installs cert-manager's API of Certificates.
func (s *server) certificateAPI(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(), "bin", "share", "crds", "cert-manager", "cert-manager.io_certificates.yaml"))
	if err != nil {
		t.Fatalf("run make cluster-build-api: %v", err)
	}
	crd := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict(text, &crd.Object); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), crd); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("cert-manager.io/v1")
		list.SetKind("CertificateList")
		return s.List(ctx, list)
	})
}

// refused is a check that something is answered with words.
func refused(try func() error, words string) func(context.Context) error {
	return func(context.Context) error {
		if err := try(); err == nil || !strings.Contains(err.Error(), words) {
			return fmt.Errorf("want an answer with %q, have %w", words, err)
		}
		return nil
	}
}

// as is the access that a pod with this account has.
func (s *server) as(t *testing.T, account string) client.Client {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfigOf(t, account))
	if err != nil {
		t.Fatal(err)
	}
	access, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return access
}
