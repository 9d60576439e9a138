// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/preset"
)

const (
	// tokenKey is the key of the Secret, and the variable that the Hugging Face client reads.
	tokenKey = "HF_TOKEN"

	// Everything that is written goes to the volumes which the workload mounts there; the root is read-only.
	weightsPath = "/weights"
	cachePath   = "/cache"
	tmpPath     = "/tmp"
)

// serverParts are the decisions that the server's arguments spell out.
type serverParts struct {
	topology Topology
	demand   demand
	user     settings
	adapters []Adapter
}

func server(ws *v1beta1.Workspace, p preset.Preset, f Facts, parts serverParts) *Server {
	config := f.Config.ModelServer
	options := ws.Inference.Preset.PresetOptions
	s := &Server{
		Image:               serverImage(f.Config),
		PullPolicy:          config.PullPolicy,
		ImagePullSecrets:    pullSecrets(ws, f.Config),
		Args:                serverArgs(p, parts),
		Env:                 serverEnv(config.Env),
		TokenSecret:         options.ModelAccessSecret,
		WeightsDisk:         int64(p.Disk),
		WeightsStorageClass: config.WeightsStorageClass,
		Resources:           *config.Resources.DeepCopy(),
		LoadTimeout:         p.LoadTimeout.Std(),
	}
	if len(parts.adapters) > 0 {
		s.Adapters = parts.adapters
	}
	if ws.Inference.Config != "" {
		s.ConfigHash = parts.user.hash()
	}
	return s
}

func serverImage(c configv1alpha1.Configuration) string {
	image := Image(c.Registry, c.ModelServer.Image)
	if c.ModelServer.Version != "" {
		image += ":" + c.ModelServer.Version
	}
	if c.ModelServer.Digest != "" {
		image += "@" + c.ModelServer.Digest
	}
	return image
}

// pullSecrets returns the platform's, the preset's and the adapters' secrets, each once.
func pullSecrets(ws *v1beta1.Workspace, c configv1alpha1.Configuration) []string {
	all := slices.Concat(c.ImagePullSecrets, ws.Inference.Preset.PresetOptions.ImagePullSecrets)
	for _, a := range ws.Inference.Adapters {
		all = append(all, a.Source.ImagePullSecrets...)
	}
	var once []string
	for _, name := range all {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once
}

// hash changes with what the settings mean, not with comments or the order of lines.
func (s settings) hash() string {
	var text strings.Builder
	for _, one := range s {
		text.WriteString(one.argument.name + "=" + one.value + "\n")
	}
	return hash(text.String(), 16)
}

// serverEnv returns the environment of vLLM's container: ours, then the platform's, which wins.
func serverEnv(extra []corev1.EnvVar) []corev1.EnvVar {
	env := []corev1.EnvVar{
		// The user id 65532 is not in the image's passwd, and PyTorch asks for the user's name.
		{Name: "USER", Value: "vllm"},
		{Name: "LOGNAME", Value: "vllm"},
		{Name: "HOME", Value: cachePath},
		{Name: "XDG_CACHE_HOME", Value: cachePath},
		{Name: "XDG_CONFIG_HOME", Value: cachePath + "/config"},
		{Name: "HF_HOME", Value: weightsPath},
		{Name: "VLLM_CACHE_ROOT", Value: cachePath + "/vllm"},
		{Name: "VLLM_CONFIG_ROOT", Value: cachePath + "/config/vllm"},
		{Name: "TRITON_CACHE_DIR", Value: cachePath + "/triton"},
		{Name: "TORCHINDUCTOR_CACHE_DIR", Value: cachePath + "/torchinductor"},
		{Name: "FLASHINFER_WORKSPACE_BASE", Value: cachePath},
		{Name: "TMPDIR", Value: tmpPath},
		// Nothing that users serve should be reported to third parties.
		{Name: "VLLM_NO_USAGE_STATS", Value: "1"},
		{Name: "HF_HUB_DISABLE_TELEMETRY", Value: "1"},
	}
	env = slices.DeleteFunc(env, func(ours corev1.EnvVar) bool {
		return slices.ContainsFunc(extra, func(theirs corev1.EnvVar) bool { return theirs.Name == ours.Name })
	})
	return slices.Concat(env, extra)
}
