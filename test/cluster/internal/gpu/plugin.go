// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package gpu advertises GPUs that are not there: a device plugin that kubelet treats like any other, so that
// scheduling, allocation and shortage are the real ones. Patching the node's status would do for the
// scheduler, but a kubelet that registers again sets what it does not know to zero.
package gpu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	deviceplugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// Resource is what pods ask for.
const Resource = "nvidia.com/gpu"

// Plugin advertises a number of devices to one kubelet. It waits in the directory that kubelet watches, below
// its root: the older way, by kubelet's own socket, has a fixed path that two kubelets cannot share.
type Plugin struct {
	deviceplugin.UnimplementedDevicePluginServer
	registration.UnimplementedRegistrationServer

	// Dir is the kubelet's plugins_registry.
	Dir   string
	Count int
	done  <-chan struct{}
}

// Serve answers the kubelet until ctx ends; kubelet finds the socket again after each of its restarts.
func (p *Plugin) Serve(ctx context.Context) error {
	p.done = ctx.Done()
	if err := os.MkdirAll(p.Dir, 0o750); err != nil {
		return err
	}
	socket := filepath.Join(p.Dir, "gpu.sock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	deviceplugin.RegisterDevicePluginServer(server, p)
	registration.RegisterRegistrationServer(server, p)
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	return server.Serve(listener)
}

// GetInfo tells kubelet what listens on the socket.
func (p *Plugin) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.DevicePlugin, Name: Resource, SupportedVersions: []string{deviceplugin.Version},
	}, nil
}

// NotifyRegistrationStatus writes down what kubelet does not accept.
func (p *Plugin) NotifyRegistrationStatus(
	_ context.Context, status *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if !status.GetPluginRegistered() {
		fmt.Fprintln(os.Stderr, "gpu plugin: kubelet refuses:", status.GetError())
	}
	return &registration.RegistrationStatusResponse{}, nil
}

// GetDevicePluginOptions says that no further calls are wanted.
func (p *Plugin) GetDevicePluginOptions(context.Context, *deviceplugin.Empty) (*deviceplugin.DevicePluginOptions, error) {
	return &deviceplugin.DevicePluginOptions{}, nil
}

// ListAndWatch sends the devices once; they never fail.
func (p *Plugin) ListAndWatch(
	_ *deviceplugin.Empty, stream grpc.ServerStreamingServer[deviceplugin.ListAndWatchResponse],
) error {
	devices := make([]*deviceplugin.Device, 0, p.Count)
	for i := range p.Count {
		devices = append(devices, &deviceplugin.Device{ID: fmt.Sprintf("GPU-%d", i), Health: deviceplugin.Healthy})
	}
	if err := stream.Send(&deviceplugin.ListAndWatchResponse{Devices: devices}); err != nil {
		return err
	}
	select {
	case <-stream.Context().Done():
	case <-p.done:
	}
	return nil
}

// Allocate tells the container which devices are its own, as NVIDIA's plugin does.
func (p *Plugin) Allocate(_ context.Context, request *deviceplugin.AllocateRequest) (*deviceplugin.AllocateResponse, error) {
	var answer deviceplugin.AllocateResponse
	for _, container := range request.GetContainerRequests() {
		visible := strings.Join(container.GetDevicesIds(), ",")
		answer.ContainerResponses = append(answer.ContainerResponses, &deviceplugin.ContainerAllocateResponse{
			Envs: map[string]string{"NVIDIA_VISIBLE_DEVICES": visible},
		})
	}
	return &answer, nil
}
