// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package addon_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/addon"
)

type object struct {
	Kind     string
	Metadata struct{ Name, Namespace string }
	Data     map[string]string
	Rules    []struct{ APIGroups, Resources, Verbs []string }
	Spec     struct {
		ClusterIP string
		Template  struct {
			Spec struct {
				ServiceAccountName string
				Containers         []struct {
					Image string
					Args  []string
					Env   []struct{ Name, Value string }
				}
			}
		}
	}
}

// parse returns the objects by kind/name; two of one name are an error.
func parse(t *testing.T, manifests []byte) map[string]object {
	t.Helper()
	objects := map[string]object{}
	for document := range strings.SplitSeq(string(manifests), "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if o.Kind == "" {
			continue
		}
		key := o.Kind + "/" + o.Metadata.Name
		if _, twice := objects[key]; twice {
			t.Errorf("%s is there twice", key)
		}
		objects[key] = o
	}
	return objects
}

func TestCoreDNS(t *testing.T) {
	t.Parallel()
	manifests, err := addon.CoreDNS{
		Image: "registry.k8s.io/coredns/coredns:v1", ServiceIP: "10.96.0.10", Gateway: "10.244.0.1",
		Hosts: []string{"ghcr.io", "registry.k8s.io"},
	}.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	objects := parse(t, manifests)
	if file := objects["ConfigMap/coredns"].Data["Corefile"]; !strings.Contains(file, "10.244.0.1 ghcr.io registry.k8s.io\n") {
		t.Errorf("the Corefile does not lead registries to the local one:\n%s", file)
	}
	if got := objects["Service/kube-dns"].Spec.ClusterIP; got != "10.96.0.10" {
		t.Errorf("the Service has the address %q, pods ask 10.96.0.10", got)
	}
	if got := objects["Deployment/coredns"].Spec.Template.Spec.Containers[0].Image; got != "registry.k8s.io/coredns/coredns:v1" {
		t.Errorf("image is %q", got)
	}
}

// share writes manifests of the form that the Flux projects publish.
func share(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, controller := range addon.FluxControllers() {
		if err := os.Mkdir(filepath.Join(dir, controller), 0o755); err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string]string{
			"deployment.yaml": "kind: Deployment\nmetadata: {name: " + controller + "}\n" +
				"spec: {template: {spec: {containers: [{name: manager, image: x, args: [--log-level=info, --enable-leader-election]}]}}}\n",
			"role.yaml": "---\nkind: ClusterRole\nmetadata: {name: manager-role}\nrules: [{apiGroups: [x], resources: [y], verbs: [get]}]\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, controller, file), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	service := "kind: Service\nmetadata: {name: source-controller}\n"
	if err := os.WriteFile(filepath.Join(dir, "source-controller", "service.yaml"), []byte(service), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFlux(t *testing.T) {
	t.Parallel()
	manifests, err := addon.Flux{
		Namespace: "kaito", Share: share(t),
		Images: map[string]string{"source-controller": "ghcr.io/fluxcd/source-controller:v1", "helm-controller": "ghcr.io/fluxcd/helm-controller:v1"},
	}.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	objects := parse(t, manifests)
	if got := objects["Service/source-controller"].Metadata.Namespace; got != "kaito" {
		t.Errorf("the Service is in %q", got)
	}
	for _, controller := range addon.FluxControllers() {
		pod := objects["Deployment/"+controller].Spec.Template.Spec
		if pod.ServiceAccountName != controller || pod.Containers[0].Image != "ghcr.io/fluxcd/"+controller+":v1" {
			t.Errorf("%s runs as %q from %q", controller, pod.ServiceAccountName, pod.Containers[0].Image)
		}
		want := []string{"--log-level=info", "--events-addr="}
		if controller == "helm-controller" {
			want = append(want, "--feature-gates=CancelHealthCheckOnNewRevision=true")
		}
		if diff := cmp.Diff(want, pod.Containers[0].Args); diff != "" {
			t.Errorf("%s: %s", controller, diff)
		}
		if _, there := objects["ClusterRole/flux-"+controller]; !there {
			t.Errorf("%s has no role", controller)
		}
	}
}

// Neither everything nor a way to it: helm-controller acts on what users write.
func TestFluxGrantsNoWildcards(t *testing.T) {
	t.Parallel()
	manifests, err := addon.Flux{Namespace: "kaito", Share: share(t)}.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	for key, o := range parse(t, manifests) {
		for _, rule := range o.Rules {
			granted := slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs)
			for _, word := range []string{"*", "escalate", "bind", "impersonate"} {
				if slices.Contains(granted, word) {
					t.Errorf("%s grants %q", key, word)
				}
			}
		}
	}
}
