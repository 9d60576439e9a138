// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	inferencev1 "sigs.k8s.io/gateway-api-inference-extension/api/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/render/route"
)

const (
	// operatorNamespace is where the operator would be installed.
	operatorNamespace = "kaito-workspace"
	// operatorUser has exactly the rights of config/rbac.
	operatorUser = "workspace-operator"
)

// cluster is an API server with etcd, audit log and controller-manager.
type cluster struct {
	client.WithWatch
	config *rest.Config
	dir    string
	env    *envtest.Environment
	// operatorConfig is the path of the operator's kubeconfig.
	operatorConfig string
	manager        *child
}

func crd(bundle, name string) string {
	return filepath.Join(root(), "bin", "share", "crds", bundle, name)
}

func workspaceCRD() string { return filepath.Join(root(), "config", "crd") }

func fluxCRDs() []string {
	return []string{
		crd("flux", "source.toolkit.fluxcd.io_ocirepositories.yaml"), crd("flux", "helm.toolkit.fluxcd.io_helmreleases.yaml"),
	}
}

func poolCRD() string { return crd("gie", "inference.networking.k8s.io_inferencepools.yaml") }

func gatewayCRDs() []string {
	return []string{
		crd("gateway-api", "gateway.networking.k8s.io_gatewayclasses.yaml"), crd("gateway-api", "gateway.networking.k8s.io_gateways.yaml"),
		crd("gateway-api", "gateway.networking.k8s.io_httproutes.yaml"), crd("gateway-api", "gateway.networking.k8s.io_referencegrants.yaml"),
		crd("gateway-api", "gateway.networking.k8s.io_backendtlspolicies.yaml"),
	}
}

func istioCRD() string { return filepath.Join("testdata", "crds", "destinationrules.yaml") }

func allCRDs() []string { return append(fluxCRDs(), workspaceCRD(), poolCRD()) }

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(
		clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), v1beta1.AddToScheme(scheme),
		sourcev1.AddToScheme(scheme), helmv2.AddToScheme(scheme), inferencev1.Install(scheme),
		gatewayv1.Install(scheme), gatewayv1beta1.Install(scheme), route.AddToScheme(scheme))
}

// newCluster starts a cluster. It is to be stopped also if there is an error.
func newCluster(dir string, crds ...string) (*cluster, error) {
	c := &cluster{dir: dir, env: &envtest.Environment{
		BinaryAssetsDirectory:    binaries(),
		CRDDirectoryPaths:        crds,
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return c, err
	}
	if err := c.configureAPIServer(); err != nil {
		return c, err
	}
	config, err := c.env.Start()
	if err != nil {
		return c, fmt.Errorf("starting the API server: %w", err)
	}
	if err := guard.adopt(); err != nil {
		return c, err
	}
	config.QPS = -1
	config.UserAgent = "integration-test"
	c.config = config
	scheme, err := newScheme()
	if err != nil {
		return c, err
	}
	if c.WithWatch, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return c, err
	}
	if err := c.admitOperator(context.Background()); err != nil {
		return c, fmt.Errorf("giving the operator its rights: %w", err)
	}
	return c, c.startManager()
}

// ownClusters are how many tests may have a cluster of their own at one time. Each takes the processors for seconds when it
// starts; a dozen at once kept the shared operator from its work for longer than tests wait.
var ownClusters = make(chan struct{}, 3)

// startCluster is newCluster for the time of one test.
func startCluster(t *testing.T, crds ...string) *cluster {
	t.Helper()
	ownClusters <- struct{}{}
	t.Cleanup(func() { <-ownClusters })
	c, err := newCluster(t.TempDir(), crds...)
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Errorf("stopping the cluster: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cluster) stop() error {
	var err error
	if c.manager != nil {
		err = c.manager.stop()
	}
	return errors.Join(err, c.env.Stop())
}

func (c *cluster) auditLog() string { return filepath.Join(c.dir, "audit.log") }

func (c *cluster) configureAPIServer() error {
	policy := filepath.Join(c.dir, "audit.yaml")
	// Each request once, when it was answered; a watch also when it begins.
	const rules = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n"
	if err := os.WriteFile(policy, []byte(rules), 0o600); err != nil {
		return err
	}
	c.env.ControlPlane.GetAPIServer().Configure().
		Set("audit-log-path", c.auditLog()).
		Set("audit-policy-file", policy).
		Set("audit-log-maxsize", "1048576").
		// As on OpenShift: who sets blockOwnerDeletion must be allowed to update the owner's finalizers.
		Append("enable-admission-plugins", "OwnerReferencesPermissionEnforcement").
		Set("endpoint-reconciler-type", "none")
	return nil
}

// admitOperator makes a user with the rights of config/rbac, so that a missing one shows.
func (c *cluster) admitOperator(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(root(), "config", "rbac", "role.yaml"))
	if err != nil {
		return err
	}
	user := rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: operatorUser}
	cluster, role := &rbacv1.ClusterRole{}, &rbacv1.Role{}
	for i, document := range strings.Split(strings.TrimPrefix(string(text), "---\n"), "\n---\n") {
		err = errors.Join(err, yaml.UnmarshalStrict([]byte(document), []any{cluster, role}[i]))
	}
	role.Namespace = operatorNamespace
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}}, cluster, role,
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: operatorUser}, Subjects: []rbacv1.Subject{user},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: cluster.Name},
		},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: operatorUser, Namespace: operatorNamespace}, Subjects: []rbacv1.Subject{user},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		},
	}
	for _, obj := range objects {
		if err == nil {
			err = c.Create(ctx, obj)
		}
	}
	if err != nil {
		return err
	}
	account, err := c.env.AddUser(envtest.User{Name: operatorUser}, nil)
	if err != nil {
		return err
	}
	text, err = account.KubeConfig()
	if err != nil {
		return err
	}
	c.operatorConfig = filepath.Join(c.dir, "operator.kubeconfig")
	return os.WriteFile(c.operatorConfig, text, 0o600)
}

// startManager starts the controllers that work without nodes.
func (c *cluster) startManager() error {
	config := filepath.Join(c.dir, "manager.kubeconfig")
	if err := os.WriteFile(config, c.env.KubeConfig, 0o600); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	controllers := []string{
		"garbage-collector-controller", "namespace-controller", "resourcequota-controller", "deployment-controller",
		"replicaset-controller", "statefulset-controller", "disruption-controller",
	}
	c.manager, err = startChild(filepath.Join(c.dir, "kube-controller-manager.log"), exec.Command(
		filepath.Join(binaries(), "kube-controller-manager"),
		"--kubeconfig="+config, "--authentication-kubeconfig="+config, "--authorization-kubeconfig="+config,
		"--controllers="+strings.Join(controllers, ","), "--leader-elect=false",
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port), "--cert-dir="+filepath.Join(c.dir, "manager-certificates"),
		"--flex-volume-plugin-dir="+filepath.Join(c.dir, "volume-plugins"),
		"--kube-api-qps=500", "--kube-api-burst=1000", "--min-resync-period=12h",
	))
	return err
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
