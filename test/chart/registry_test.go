// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	helmregistry "helm.sh/helm/v4/pkg/registry"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
)

const (
	chartPath      = "charts/inferencepool"
	mirrorUser     = "mirror"
	mirrorPassword = "let-me-in"
)

// registries are two doors to the same charts: one takes anybody by plain HTTP, the other has a certificate of its own
// authority and wants a password.
type registries struct {
	open, closed string
	authority    []byte
}

// chartRegistry serves versions of the real chart.
func chartRegistry(t *testing.T, versions ...string) *registries {
	t.Helper()
	content := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	open := httptest.NewServer(content)
	t.Cleanup(open.Close)
	closed := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != mirrorUser || password != mirrorPassword {
			w.Header().Set("WWW-Authenticate", `Basic realm="mirror"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		content.ServeHTTP(w, r)
	}))
	t.Cleanup(closed.Close)
	// Flux tries plain HTTP at addresses of this machine, too.
	closed.Config.ErrorLog = log.New(io.Discard, "", 0)
	closed.StartTLS()
	all := &registries{
		open: strings.TrimPrefix(open.URL, "http://"), closed: strings.TrimPrefix(closed.URL, "https://"),
		authority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: closed.Certificate().Raw}),
	}
	push, err := helmregistry.NewClient(helmregistry.ClientOptPlainHTTP())
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range versions {
		content, err := os.ReadFile(poolChart(t, version))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := push.Push(content, all.open+"/"+chartPath+":"+version); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// credentials are the Secrets that the configuration names, for the closed door. The key for signatures is new: nothing
// is signed with it yet.
func (s *server) credentials(t *testing.T, from *registries, flux configv1alpha1.Flux) {
	t.Helper()
	docker, err := json.Marshal(map[string]any{"auths": map[string]any{
		from.closed: map[string]string{"username": mirrorUser, "password": mirrorPassword},
	}})
	if err != nil {
		t.Fatal(err)
	}
	secret := func(name string, kind corev1.SecretType, key string, value []byte) {
		err := s.Create(t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: name}, Type: kind, Data: map[string][]byte{key: value},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	secret(flux.SecretRef, corev1.SecretTypeDockerConfigJson, corev1.DockerConfigJsonKey, docker)
	secret(flux.CertSecretRef, corev1.SecretTypeOpaque, "ca.crt", from.authority)
	secret(flux.Verify.SecretRef, corev1.SecretTypeOpaque, "cosign.pub", nil)
}

// TestMirror: Flux pulls a pool's chart from a registry that has a certificate of its own authority and wants a password,
// and only when it is signed with the key that the configuration names.
func TestMirror(t *testing.T) {
	t.Parallel()
	needPrograms(t, "source-controller", "helm-controller")
	s := start(t)
	s.namespace(t, "models")
	all := s.mustInstall(t, values(t, `{
		featureGates: {gatewayAPIInferenceExtension: true},
		config: {flux: {secretRef: registry-credentials, certSecretRef: corp-ca, verify: {provider: cosign, secretRef: cosign-keys}}}}`))
	flux := runFlux(t, s, all)
	defer flux.report(t)
	p := newPool(t, s, all)
	trusted, stranger := newKey(t), newKey(t)
	p.trust(t, trusted)

	p.from.sign(t, "v1.4.0", trusted)
	p.apply(t, "v1.4.0")
	p.waitFor(t, "v1.4.0")
	p.from.sign(t, "v1.5.0", stranger)
	p.apply(t, "v1.5.0")
	eventually(t, p.unverified)
	p.from.sign(t, "v1.5.0", trusted)
	p.look(t)
	p.waitFor(t, "v1.5.0")
	p.delete(t)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// trust makes a key the one whose signatures count.
func (p *poolOf) trust(t *testing.T, key *ecdsa.PrivateKey) {
	t.Helper()
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "models", Name: p.plan.Pool.Flux.Verify.SecretRef}}
	if err := p.server.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
		t.Fatal(err)
	}
	secret.Data = map[string][]byte{"cosign.pub": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})}
	if err := p.server.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

// sign does what `cosign sign --key` does, without a transparency log: a signature of the digest lies beside the chart.
func (r *registries) sign(t *testing.T, version string, key *ecdsa.PrivateKey) {
	t.Helper()
	at := "http://" + r.open + "/v2/" + chartPath
	chart := digestOf(send(t, http.MethodGet, at+"/manifests/"+version, nil))
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`,
		r.open+"/"+chartPath, chart)
	sum := sha256.Sum256(payload)
	signature, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	blob := func(kind string, content []byte) map[string]any {
		send(t, http.MethodPost, at+"/blobs/uploads/?digest="+digestOf(content), content)
		return map[string]any{"mediaType": kind, "size": len(content), "digest": digestOf(content)}
	}
	layer := blob("application/vnd.dev.cosign.simplesigning.v1+json", payload)
	layer["annotations"] = map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signature)}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": blob("application/vnd.oci.image.config.v1+json", fmt.Appendf(nil, `{"rootfs":{"type":"layers","diff_ids":[%q]}}`, digestOf(payload))),
		"layers": []any{layer},
	})
	if err != nil {
		t.Fatal(err)
	}
	send(t, http.MethodPut, at+"/manifests/"+strings.Replace(chart, ":", "-", 1)+".sig", manifest)
}

func digestOf(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

// send asks the registry for something and returns the answer.
func send(t *testing.T, method, url string, content []byte) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s: %s: %s %v", method, url, response.Status, body, err)
	}
	return body
}

// unverified says what is wrong unless Flux has refused the chart's signature.
func (p *poolOf) unverified(ctx context.Context) error {
	repository := p.repository()
	if err := p.server.Get(ctx, client.ObjectKeyFromObject(repository), repository); err != nil {
		return err
	}
	if verified := condition(repository, "SourceVerified"); verified["status"] != "False" {
		return fmt.Errorf("SourceVerified is %v: %v", verified["status"], verified["message"])
	}
	return nil
}

// look asks Flux to look at the registry again.
func (p *poolOf) look(t *testing.T) {
	t.Helper()
	patch := []byte(`{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"now"}}}`)
	if err := p.server.Patch(t.Context(), p.repository(), client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}
}
