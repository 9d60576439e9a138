// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package addon

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

//go:embed flux.yaml
var fluxManifest string

// Flux is source-controller and helm-controller, without our chart.
type Flux struct {
	Namespace string
	// Share is the directory with the manifests out of their own modules.
	Share string
	// Images are the two images by controller.
	Images map[string]string
}

// FluxControllers returns the names of the controllers, which are those of their Deployments, too.
func FluxControllers() []string { return []string{"source-controller", "helm-controller"} }

// Manifests returns all objects; Deployments and Services are the projects' own, changed where they must be.
func (f Flux) Manifests() ([]byte, error) {
	own, err := render("flux", fluxManifest, f)
	if err != nil {
		return nil, err
	}
	documents := [][]byte{own}
	for _, controller := range FluxControllers() {
		for file, change := range map[string]func(string, object){
			"deployment.yaml": f.changeDeployment, "service.yaml": f.changeService, "role.yaml": f.changeRole,
		} {
			document, err := f.changed(controller, file, change)
			if err != nil {
				return nil, err
			}
			documents = append(documents, document)
		}
	}
	return bytes.Join(documents, []byte("\n---\n")), nil
}

type object = map[string]any

func (f Flux) changed(controller, file string, change func(string, object)) ([]byte, error) {
	path := filepath.Join(f.Share, controller, file)
	raw, err := os.ReadFile(path)
	if os.IsNotExist(err) && file == "service.yaml" {
		// helm-controller serves nobody.
		return []byte{}, nil
	}
	if err != nil {
		return nil, err
	}
	var parsed object
	if err := yaml.Unmarshal(raw, &parsed); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	change(controller, parsed)
	return yaml.Marshal(parsed)
}

func (f Flux) changeService(_ string, service object) {
	within(service, "metadata")["namespace"] = f.Namespace
}

func (f Flux) changeRole(controller string, role object) {
	within(role, "metadata")["name"] = "flux-" + controller
	rules, _ := role["rules"].([]any)
	// Both are granted to them by a Role in production; here everything is in one namespace anyhow.
	role["rules"] = append(rules, object{
		"apiGroups": []string{"coordination.k8s.io"}, "resources": []string{"leases"},
		"verbs": []string{"get", "list", "watch", "create", "update", "patch", "delete"},
	}, object{
		"apiGroups": []string{""}, "resources": []string{"configmaps", "secrets", "serviceaccounts"},
		"verbs": []string{"get", "list", "watch"},
	})
}

func (f Flux) changeDeployment(controller string, deployment object) {
	within(deployment, "metadata")["namespace"] = f.Namespace
	pod := within(deployment, "spec", "template", "spec")
	pod["serviceAccountName"] = controller
	pod["terminationGracePeriodSeconds"] = 5
	containers, _ := pod["containers"].([]any)
	container, _ := containers[0].(object)
	container["image"] = f.Images[controller]
	args, _ := container["args"].([]any)
	args = slices.DeleteFunc(args, func(arg any) bool {
		// One replica: an election only delays the start by the length of a dead leader's lease.
		return strings.HasPrefix(fmt.Sprint(arg), "--enable-leader-election")
	})
	args = append(args, "--events-addr=")
	if controller == "helm-controller" {
		// As in our chart: else a release that never gets ready is not deleted before its timeout.
		args = append(args, "--feature-gates=CancelHealthCheckOnNewRevision=true")
	}
	container["args"] = args
	within(container, "resources")["requests"] = object{"cpu": "20m", "memory": "64Mi"}
	if probe, ok := container["readinessProbe"].(object); ok {
		probe["periodSeconds"] = 1
	}
}

// within returns a nested object, which it makes where it is missing.
func within(parent object, path ...string) object {
	for _, key := range path {
		child, ok := parent[key].(object)
		if !ok {
			child = object{}
			parent[key] = child
		}
		parent = child
	}
	return parent
}
