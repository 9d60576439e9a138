// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"errors"
	"slices"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// check refuses plans that would render into objects which the API server takes and which then never serve.
func check(p plan.Plan) error {
	for _, rule := range []func(plan.Plan) error{checkKind, checkNames, checkServer} {
		if err := rule(p); err != nil {
			return err
		}
	}
	return nil
}

func checkKind(p plan.Plan) error {
	switch {
	case p.Server == nil && p.Template == nil:
		return errors.New("neither a server nor a template")
	case p.Server != nil && p.Template != nil:
		return errors.New("both a server and a template")
	case p.Template != nil && p.Topology.MultiNode():
		return errors.New("a template cannot span several nodes")
	case p.Topology.Replicas < 0:
		return errors.New("negative replicas")
	}
	return nil
}

func checkNames(p plan.Plan) error {
	wanted := 1
	if p.Topology.MultiNode() {
		wanted = max(1, int(p.Topology.Replicas))
	}
	switch {
	case p.Name == "" || p.Namespace == "":
		return errors.New("no name or no namespace")
	case len(p.Names.Workloads) < wanted:
		return errors.New("fewer workload names than workloads")
	case slices.Contains(p.Names.Workloads, ""):
		return errors.New("an empty workload name")
	case p.Port != 0 && p.Names.Service == "":
		return errors.New("a port without the name of a Service")
	case p.Topology.MultiNode() && p.Names.Headless == "":
		return errors.New("several nodes without the name of a headless Service")
	}
	return nil
}

func checkServer(p plan.Plan) error {
	switch {
	case p.Server == nil:
		return nil
	case p.Port == 0:
		return errors.New("a server without a port")
	case p.Server.Image == "":
		return errors.New("a server without an image")
	case p.Server.LoadTimeout <= 0:
		return errors.New("a server without a load timeout")
	case p.Topology.GPUsPerPod > 0 && p.Topology.ResourceName == "":
		return errors.New("GPUs without the name of their resource")
	// vLLM would take an empty argument for the model's name.
	case slices.Contains(p.Server.Args, ""):
		return errors.New("an empty argument")
	}
	return nil
}
