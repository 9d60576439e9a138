// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// NodeLabels are what Workspaces select their nodes by.
func NodeLabels() map[string]string {
	return map[string]string{"apps": "llm", corev1.LabelInstanceTypeStable: "Standard_NC24ads_A100_v4"}
}

// furnish puts in what every experiment needs: our CRDs, namespaces, accounts, nodes.
func (l *Lab) furnish(ctx context.Context, nodes int) error {
	if err := l.applyFiles(ctx, filepath.Join(l.Root, "config", "crd")); err != nil {
		return err
	}
	if err := l.applyFiles(ctx, filepath.Join(l.Root, "config", "rbac")); err != nil {
		return err
	}
	for _, name := range []string{Operator, Models, Foreign} {
		if err := l.create(ctx, &corev1.Namespace{TypeMeta: typeMeta("v1", "Namespace"), ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return err
		}
	}
	for account, role := range map[string]string{"workspace-operator": "workspace-operator", "floor": "cluster-admin"} {
		if err := l.account(ctx, account, role); err != nil {
			return err
		}
	}
	return l.nodes(ctx, nodes)
}

// applyFiles applies every manifest of a directory. What needs a namespace and has a placeholder for it gets ours.
func (l *Lab) applyFiles(ctx context.Context, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no manifests in %s", dir)
	}
	for _, name := range files {
		if err := l.applyFile(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// applyFile also waits until the API server serves what the file defines.
func (l *Lab) applyFile(ctx context.Context, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
	for {
		obj := &unstructured.Unstructured{}
		if err := decoder.Decode(&obj.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if obj.GetKind() == "" || obj.GetNamespace() == "system" {
			// The namespaced Role is for the lease, which a single replica does without.
			continue
		}
		err := l.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(obj), client.ForceOwnership, client.FieldOwner("scale-load"))
		if err == nil && obj.GetKind() == "CustomResourceDefinition" {
			err = l.waitServed(ctx, obj)
		}
		if err != nil {
			return err
		}
	}
}

func typeMeta(apiVersion, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: apiVersion, Kind: kind}
}

func (l *Lab) create(ctx context.Context, obj client.Object) error {
	if err := l.Client.Create(ctx, obj); err != nil {
		return fmt.Errorf("creating %T %s: %w", obj, obj.GetName(), err)
	}
	return nil
}

// account makes a service account with a role, and a kubeconfig for it.
func (l *Lab) account(ctx context.Context, name, role string) error {
	clients, err := kubernetes.NewForConfig(l.Admin)
	if err != nil {
		return err
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := clients.CoreV1().ServiceAccounts(Operator).Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating service account %s: %w", name, err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "scale-" + name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: Operator, Name: name}},
	}
	if _, err := clients.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("binding role %s: %w", role, err)
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(24 * 3600))}}
	token, err := clients.CoreV1().ServiceAccounts(Operator).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("requesting a token for %s: %w", name, err)
	}
	return l.writeKubeconfig(name, token.Status.Token)
}

func (l *Lab) writeKubeconfig(name, token string) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["lab"] = &clientcmdapi.Cluster{Server: l.Admin.Host, CertificateAuthorityData: l.Admin.CAData, CertificateAuthority: l.Admin.CAFile}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["lab"] = &clientcmdapi.Context{Cluster: "lab", AuthInfo: name}
	config.CurrentContext = "lab"
	if err := clientcmd.WriteToFile(*config, l.Kubeconfig(name)); err != nil {
		return fmt.Errorf("writing the kubeconfig of %s: %w", name, err)
	}
	return nil
}

// Kubeconfig is the file for an account: workspace-operator or floor.
func (l *Lab) Kubeconfig(account string) string { return filepath.Join(l.Dir, account+".kubeconfig") }

// nodes makes Ready nodes that share as many GPUs as anybody may want.
func (l *Lab) nodes(ctx context.Context, count int) error {
	for i := range count {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("gpu-%04d", i), Labels: NodeLabels()}}
		if err := l.create(ctx, node); err != nil {
			return err
		}
		room := corev1.ResourceList{
			"nvidia.com/gpu": *resource.NewQuantity(100_000, resource.DecimalSI),
			"cpu":            resource.MustParse("96"), "memory": resource.MustParse("880Gi"), "pods": resource.MustParse("250"),
		}
		node.Status = corev1.NodeStatus{
			Capacity: room, Allocatable: room,
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady"}},
		}
		if err := l.Client.Status().Update(ctx, node); err != nil {
			return fmt.Errorf("making node %s Ready: %w", node.Name, err)
		}
	}
	return nil
}

// RestConfig is how an account talks to the API server.
func RestConfig(kubeconfig, userAgent string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", kubeconfig, err)
	}
	config.QPS = -1
	config.UserAgent = userAgent
	return config, nil
}
