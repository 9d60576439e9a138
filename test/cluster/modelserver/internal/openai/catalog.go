// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/workspace-operator/workspace-operator/test/cluster/modelserver/internal/argument"
)

// Adapter is a LoRA adapter that answers under its own name.
type Adapter = argument.Adapter

// catalog is what answers: the base model under each of its names, and the adapters.
type catalog struct {
	served []string
	root   string
	length int
	since  int64

	mu       sync.Mutex
	adapters []Adapter
}

func newCatalog(c Config, adapters []Adapter) *catalog {
	return &catalog{
		served: c.Served, root: c.Root, length: c.MaxModelLen, since: time.Now().Unix(), adapters: slices.Clone(adapters),
	}
}

// entry is something that answers.
type entry struct {
	name    string
	adapter string // empty for the base model
}

// find returns what answers to a name; no name means the base model, as with vLLM.
func (c *catalog) find(name string) (entry, error) {
	if name == "" {
		return entry{name: c.served[0]}, nil
	}
	if slices.Contains(c.served, name) {
		return entry{name: name}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.index(name) < 0 {
		return entry{}, unknownModel(name)
	}
	return entry{name: name, adapter: name}, nil
}

func (c *catalog) index(name string) int {
	return slices.IndexFunc(c.adapters, func(a Adapter) bool { return a.Name == name })
}

type modelCard struct {
	ID          string  `json:"id"`
	Object      string  `json:"object"`
	Created     int64   `json:"created"`
	OwnedBy     string  `json:"owned_by"`
	Root        string  `json:"root"`
	Parent      *string `json:"parent"`
	MaxModelLen *int    `json:"max_model_len"`
}

func (c *catalog) cards() []modelCard {
	var cards []modelCard
	for _, name := range c.served {
		cards = append(cards, modelCard{
			ID: name, Object: "model", Created: c.since, OwnedBy: "vllm", Root: c.root, MaxModelLen: new(c.length),
		})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.adapters {
		parent := a.Base
		if parent == "" {
			parent = c.served[0]
		}
		cards = append(cards, modelCard{
			ID: a.Name, Object: "model", Created: c.since, OwnedBy: "vllm", Root: a.Path, Parent: &parent,
		})
	}
	return cards
}

func (s *server) models(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": s.catalog.cards()})
}

type adapterRequest struct {
	Name    string `json:"lora_name"`
	Path    string `json:"lora_path"`
	Replace bool   `json:"load_inplace"`
}

func (s *server) loadAdapter(w http.ResponseWriter, r *http.Request) error {
	var wanted adapterRequest
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	if wanted.Name == "" || wanted.Path == "" {
		return badRequest("", "Both 'lora_name' and 'lora_path' must be provided.")
	}
	a := Adapter{Name: wanted.Name, Path: filepath.Clean(wanted.Path)}
	if err := a.Check(); err != nil {
		return &failure{status: http.StatusNotFound, message: err.Error()}
	}
	c := s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	switch at := c.index(a.Name); {
	case slices.Contains(c.served, a.Name):
		return badRequest("", "The name '%s' is that of the base model.", a.Name)
	case at < 0:
		c.adapters = append(c.adapters, a)
	case wanted.Replace:
		c.adapters[at] = a
	default:
		return badRequest("", "The lora adapter '%s' has already been loaded.", a.Name)
	}
	_, _ = fmt.Fprintf(w, "Success: LoRA adapter '%s' added successfully.", a.Name) // the client may be gone
	return nil
}

func (s *server) unloadAdapter(w http.ResponseWriter, r *http.Request) error {
	var wanted adapterRequest
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	if wanted.Name == "" {
		return badRequest("", "'lora_name' must be provided.")
	}
	c := s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.index(wanted.Name)
	if at < 0 {
		return &failure{status: http.StatusNotFound, message: fmt.Sprintf("The lora adapter '%s' cannot be found.", wanted.Name)}
	}
	c.adapters = slices.Delete(c.adapters, at, at+1)
	_, _ = fmt.Fprintf(w, "Success: LoRA adapter '%s' removed successfully.", wanted.Name) // the client may be gone
	return nil
}
