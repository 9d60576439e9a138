// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kubeconfig writes kubeconfig files that hold everything in themselves, so that they can be copied.
package kubeconfig

import (
	"os"

	"sigs.k8s.io/yaml"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/pki"
)

// Access is whom a kubeconfig lets in where.
type Access struct {
	// Server is the API server's URL, Name what the cluster is called.
	Server, Name string
	// CA is the path of the authority's certificate.
	CA string
	// Client is the user's pair.
	Client pki.Pair
}

type file struct {
	APIVersion     string    `json:"apiVersion"`
	Kind           string    `json:"kind"`
	CurrentContext string    `json:"current-context"`
	Clusters       []cluster `json:"clusters"`
	Users          []user    `json:"users"`
	Contexts       []context `json:"contexts"`
}

type cluster struct {
	Name    string `json:"name"`
	Cluster struct {
		Server string `json:"server"`
		CA     []byte `json:"certificate-authority-data"`
	} `json:"cluster"`
}

type user struct {
	Name string `json:"name"`
	User struct {
		Cert []byte `json:"client-certificate-data"`
		Key  []byte `json:"client-key-data"`
	} `json:"user"`
}

type context struct {
	Name    string `json:"name"`
	Context struct {
		Cluster string `json:"cluster"`
		User    string `json:"user"`
	} `json:"context"`
}

// Write makes the file at path; only its owner may read it.
func Write(path string, a Access) error {
	out := file{
		APIVersion: "v1", Kind: "Config", CurrentContext: a.Name,
		Clusters: []cluster{{Name: a.Name}}, Users: []user{{Name: a.Name}}, Contexts: []context{{Name: a.Name}},
	}
	out.Clusters[0].Cluster.Server = a.Server
	out.Contexts[0].Context.Cluster = a.Name
	out.Contexts[0].Context.User = a.Name
	for _, part := range []struct {
		from string
		into *[]byte
	}{
		{a.CA, &out.Clusters[0].Cluster.CA},
		{a.Client.Cert, &out.Users[0].User.Cert},
		{a.Client.Key, &out.Users[0].User.Key},
	} {
		raw, err := os.ReadFile(part.from)
		if err != nil {
			return err
		}
		*part.into = raw
	}
	raw, err := yaml.Marshal(out)
	if err != nil {
		return err
	}
	return os.WriteFile(path, raw, 0o600)
}
