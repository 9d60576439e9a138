// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cri removes pods through the container runtime's own interface: it alone undoes mounts, network
// namespaces and addresses in the right order.
package cri

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Ready returns nil when the runtime and its network are ready for pods.
func Ready(ctx context.Context, socket string) error {
	return with(socket, func(client runtime.RuntimeServiceClient) error {
		status, err := client.Status(ctx, &runtime.StatusRequest{})
		if err != nil {
			return err
		}
		for _, condition := range status.GetStatus().GetConditions() {
			if !condition.GetStatus() && condition.GetType() != "ContainerdHasNoDeprecationWarnings" {
				return fmt.Errorf("%s: %s", condition.GetType(), condition.GetMessage())
			}
		}
		return nil
	})
}

// RemovePods kills and removes every pod of the runtime.
func RemovePods(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return with(socket, func(client runtime.RuntimeServiceClient) error {
		list, err := client.ListPodSandbox(ctx, &runtime.ListPodSandboxRequest{})
		if err != nil {
			return err
		}
		failures := make([]error, len(list.GetItems()))
		var group sync.WaitGroup
		for i, pod := range list.GetItems() {
			group.Go(func() { failures[i] = remove(ctx, client, pod) })
		}
		group.Wait()
		return errors.Join(failures...)
	})
}

func remove(ctx context.Context, client runtime.RuntimeServiceClient, pod *runtime.PodSandbox) error {
	if _, err := client.StopPodSandbox(ctx, &runtime.StopPodSandboxRequest{PodSandboxId: pod.GetId()}); err != nil {
		return fmt.Errorf("stopping pod %s: %w", pod.GetMetadata().GetName(), err)
	}
	if _, err := client.RemovePodSandbox(ctx, &runtime.RemovePodSandboxRequest{PodSandboxId: pod.GetId()}); err != nil {
		return fmt.Errorf("removing pod %s: %w", pod.GetMetadata().GetName(), err)
	}
	return nil
}

func with(socket string, do func(runtime.RuntimeServiceClient) error) error {
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	return do(runtime.NewRuntimeServiceClient(connection))
}
