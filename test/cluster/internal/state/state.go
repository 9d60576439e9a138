// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package state says where everything of one cluster is kept on disk.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Tier names how much of Kubernetes runs.
type Tier string

const (
	// TierAPI is etcd, the API server and the controllers that need no nodes.
	TierAPI Tier = "api"
	// TierNode adds scheduler, nodes with containers, DNS, a registry and Flux.
	TierNode Tier = "node"
)

// Config is what a cluster was started with; `down`, `status` and `load` read it back.
type Config struct {
	Name string `json:"name"`
	Tier Tier   `json:"tier"`
	// Host is the address that the API server listens on.
	Host string `json:"host"`
	// Ports of the control plane on Host, by part name.
	Ports map[string]int `json:"ports"`
	// AuditLog is the absolute path of the audit log, empty for none.
	AuditLog    string `json:"auditLog,omitempty"`
	AuditPolicy string `json:"auditPolicy,omitempty"`
	// Workloads turns the workload controllers of tier api on; tier node always has them.
	Workloads bool `json:"workloads,omitempty"`
	// APIServerArgs are appended to the API server's command line.
	APIServerArgs []string `json:"apiServerArgs,omitempty"`
	// CRDs are the bundles under share/crds that are installed.
	CRDs []string `json:"crds,omitempty"`

	Nodes         int               `json:"nodes,omitempty"`
	GPUs          int               `json:"gpus,omitempty"`
	NodeLabels    map[string]string `json:"nodeLabels,omitempty"`
	Flux          bool              `json:"flux,omitempty"`
	FluxNamespace string            `json:"fluxNamespace,omitempty"`
	// Gateway says that istiod runs, and makes a proxy for each Gateway.
	Gateway bool `json:"gateway,omitempty"`
	// ModelImages are the names under which the model server is pushed.
	ModelImages []string `json:"modelImages,omitempty"`

	// Machine is the state of the host before the cluster changed it.
	Machine *Machine `json:"machine,omitempty"`
}

// Machine is what `down` puts back.
type Machine struct {
	// Sysctls holds the values from before, by path under /proc/sys.
	Sysctls map[string]string `json:"sysctls"`
	// Missing are directories that did not exist and are removed again when they are empty of others' files.
	Missing []string `json:"missing"`
}

// Dir is the state directory of one cluster.
type Dir string

// Under returns a path inside the state directory.
func (d Dir) Under(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// Kubeconfig returns the path of the administrator's kubeconfig.
func (d Dir) Kubeconfig() string { return d.Under("kubeconfig") }

// Logs returns the directory of the log files, one per process.
func (d Dir) Logs() string { return d.Under("logs") }

// PKI returns the directory of keys and certificates.
func (d Dir) PKI() string { return d.Under("pki") }

// Run returns the directory of the process records.
func (d Dir) Run() string { return d.Under("run") }

// Node returns a path inside the directory of one node.
func (d Dir) Node(name string, elem ...string) string {
	return d.Under(append([]string{"nodes", name}, elem...)...)
}

// Registry returns the directory of the local registry.
func (d Dir) Registry() string { return d.Under("registry") }

// NoClusterError says that a directory holds no cluster, as against one that cannot be read.
type NoClusterError struct{ Dir Dir }

func (e *NoClusterError) Error() string { return fmt.Sprintf("no cluster in %s", string(e.Dir)) }

// Load reads the configuration that a cluster was started with.
func (d Dir) Load() (Config, error) {
	raw, err := os.ReadFile(d.Under("cluster.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, &NoClusterError{Dir: d}
	}
	if err != nil {
		return Config{}, err
	}
	var c Config
	if err := json.Unmarshal(raw, &c); err != nil {
		return Config{}, fmt.Errorf("reading %s: %w", d.Under("cluster.json"), err)
	}
	return c, nil
}

// Save writes the configuration, whole or not at all.
func (d Dir) Save(c Config) error {
	raw, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	temporary := d.Under("cluster.json.new")
	if err := os.WriteFile(temporary, append(raw, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, d.Under("cluster.json"))
}

// Clusters returns the names of the clusters under a parent directory, sorted.
func Clusters(parent string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(parent, "*", "cluster.json"))
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(found))
	for _, file := range found {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	slices.Sort(names)
	return names, nil
}
