// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"maps"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/workspace-operator/workspace-operator/internal/plan"
)

const (
	// tokenKey is the key of the token's Secret and the variable in which Hugging Face's library looks for it.
	tokenKey = "HF_TOKEN"
	// portName is the name of the container port and of the Service port.
	portName = "http"

	// goneSeconds pass before SIGTERM, in which the EPP, kube-proxy and gateways learn that the pod is going. vLLM
	// refuses new requests at once when it gets the signal.
	goneSeconds = 10
	// drainSeconds is for running requests when vLLM's own --shutdown-timeout is not set.
	drainSeconds = 60
	// exitSeconds is for what vLLM does after the last request: to end its workers and to free GPU memory.
	exitSeconds = 20
)

// process is what differs between a pod that serves alone and the ranks of a model over several nodes.
type process struct {
	command, args []string
	env           []corev1.EnvVar
	health        corev1.ProbeHandler
}

// singleNode is the image's own entrypoint, vllm serve, with the plan's arguments.
func singleNode(p plan.Plan) process {
	return process{args: literal(p.Server.Args), health: httpHealth(p.Port)}
}

// literal keeps Kubernetes from expanding $(NAME) in arguments, with which a configuration could read the token.
func literal(args []string) []string {
	escaped := make([]string, 0, len(args)+2)
	for _, arg := range args {
		escaped = append(escaped, strings.ReplaceAll(arg, "$", "$$"))
	}
	return escaped
}

func serverContainer(p plan.Plan, proc process) corev1.Container {
	return corev1.Container{
		// KAITO's name of it; users read logs with `kubectl logs -c <workspace>`.
		Name:            p.Name,
		Image:           p.Server.Image,
		ImagePullPolicy: p.Server.PullPolicy,
		Command:         proc.command,
		Args:            proc.args,
		Env:             environment(*p.Server, proc.env),
		Ports:           []corev1.ContainerPort{{Name: portName, ContainerPort: p.Port, Protocol: corev1.ProtocolTCP}},
		Resources:       resources(p),
		VolumeMounts:    mounts(p.Server.Adapters),
		StartupProbe:    startupProbe(proc.health, p.Server.LoadTimeout),
		ReadinessProbe:  readinessProbe(proc.health),
		LivenessProbe:   livenessProbe(proc.health),
		Lifecycle: &corev1.Lifecycle{
			PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: goneSeconds}},
		},
		SecurityContext: &corev1.SecurityContext{
			RunAsNonRoot:             new(true),
			AllowPrivilegeEscalation: new(false),
			ReadOnlyRootFilesystem:   new(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		// The reason of a crash is then in the pod's status, where the operator reads it.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
}

// gracePeriod covers the pre-stop wait and however long vLLM was told to wait for running requests.
func gracePeriod(args []string) int64 {
	drain := int64(drainSeconds)
	for _, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--shutdown-timeout="); ok {
			if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds > 0 {
				drain = seconds
			}
		}
	}
	return goneSeconds + drain + exitSeconds
}

// resources adds the GPUs. Extended resources must have equal requests and limits.
func resources(p plan.Plan) corev1.ResourceRequirements {
	merged := *p.Server.Resources.DeepCopy()
	if p.Topology.GPUsPerPod == 0 {
		return merged
	}
	gpus := corev1.ResourceList{
		corev1.ResourceName(p.Topology.ResourceName): *resource.NewQuantity(int64(p.Topology.GPUsPerPod), resource.DecimalSI),
	}
	merged.Limits = union(merged.Limits, gpus)
	merged.Requests = union(merged.Requests, gpus)
	return merged
}

func union(base, more corev1.ResourceList) corev1.ResourceList {
	sum := maps.Clone(more)
	for name, quantity := range base {
		if _, ok := sum[name]; !ok {
			sum[name] = quantity
		}
	}
	return sum
}

// environment is ours, then the plan's, then what the wiring needs; the later wins. Each name occurs once, since
// server-side apply takes the list as a map.
func environment(s plan.Server, wiring []corev1.EnvVar) []corev1.EnvVar {
	var env []corev1.EnvVar
	place := map[string]int{}
	put := func(vars ...corev1.EnvVar) {
		for _, v := range vars {
			if at, ok := place[v.Name]; ok {
				env[at] = *v.DeepCopy()
				continue
			}
			place[v.Name] = len(env)
			env = append(env, *v.DeepCopy())
		}
	}
	put(
		// Every cache that has no variable of its own is below HOME, and / is read-only.
		corev1.EnvVar{Name: "HOME", Value: cachePath},
		// Torch asks for the user's name, and our user has no passwd entry (vllm-project/vllm#44548).
		corev1.EnvVar{Name: "USER", Value: "vllm"},
		corev1.EnvVar{Name: "HF_HOME", Value: WeightsPath},
	)
	put(s.Env...)
	if s.TokenSecret != "" {
		put(corev1.EnvVar{Name: tokenKey, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: s.TokenSecret},
			Key:                  tokenKey,
		}}})
	}
	put(wiring...)
	return env
}
