// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate returns every mistake, joined. It expects defaults to be filled in.
func (c Configuration) Validate() error {
	var all field.ErrorList
	if c.Registry != "" {
		all = append(all, validateRepository(c.Registry, field.NewPath("registry"))...)
	}
	all = append(all, validateNames(c.ImagePullSecrets, field.NewPath("imagePullSecrets"))...)
	all = append(all, c.ModelServer.validate(field.NewPath("modelServer"))...)
	all = append(all, c.Chart.validate(field.NewPath("chart"))...)
	all = append(all, c.EndpointPicker.validate(field.NewPath("endpointPicker"))...)
	all = append(all, c.Flux.validate(field.NewPath("flux"))...)
	all = append(all, c.Gateway.validate(field.NewPath("gateway"))...)
	return all.ToAggregate()
}

func (s ModelServer) validate(at *field.Path) field.ErrorList {
	all := validateRepository(s.Image, at.Child("image"))
	if s.Version == "" && s.Digest == "" {
		all = append(all, field.Required(at.Child("version"), "an image other than vLLM's own needs its tag, such as v0.33.0, or a digest"))
	}
	all = append(all, validateTag(s.Version, at.Child("version"))...)
	all = append(all, validateDigest(s.Digest, at.Child("digest"))...)
	all = append(all, validatePullPolicy(s.PullPolicy, at.Child("pullPolicy"))...)
	if s.WeightsStorageClass != "" {
		all = append(all, validateNames([]string{s.WeightsStorageClass}, at.Child("weightsStorageClass"))...)
	}
	all = append(all, validateResources(s.Resources, at.Child("resources"))...)
	seen := map[string]bool{}
	for i, env := range s.Env {
		name := at.Child("env").Index(i).Child("name")
		for _, message := range validation.IsEnvVarName(env.Name) {
			all = append(all, field.Invalid(name, env.Name, message))
		}
		if seen[env.Name] {
			all = append(all, field.Duplicate(name, env.Name))
		}
		seen[env.Name] = true
	}
	return all
}

func (c Chart) validate(at *field.Path) field.ErrorList {
	if _, known := dialectOf(c.Dialect); !known {
		return field.ErrorList{field.NotSupported(at.Child("dialect"), c.Dialect, Dialects())}
	}
	var all field.ErrorList
	if !slices.Contains(SupportedVersions(c.Dialect), c.Version) {
		all = append(all, field.NotSupported(at.Child("version"), c.Version, SupportedVersions(c.Dialect)))
	}
	repository, isOCI := strings.CutPrefix(c.URL, "oci://")
	if !isOCI {
		all = append(all, field.Invalid(at.Child("url"), withoutUserinfo(c.URL), "must begin with oci://"))
	} else {
		all = append(all, validateRepository(repository, at.Child("url"))...)
	}
	return append(all, validateDigest(c.Digest, at.Child("digest"))...)
}

func (p EndpointPicker) validate(at *field.Path) field.ErrorList {
	all := validateRepository(p.Image, at.Child("image"))
	if p.Version == "" {
		all = append(all, field.Required(at.Child("version"), "an image other than the chart's own needs its tag"))
	}
	all = append(all, validateTag(p.Version, at.Child("version"))...)
	all = append(all, validateDigest(p.Digest, at.Child("digest"))...)
	all = append(all, validatePullPolicy(p.PullPolicy, at.Child("pullPolicy"))...)
	if p.Replicas < 1 {
		all = append(all, field.Invalid(at.Child("replicas"), p.Replicas, "must be at least 1"))
	}
	if p.FailureMode != FailOpen && p.FailureMode != FailClose {
		all = append(all, field.NotSupported(at.Child("failureMode"), p.FailureMode, []FailureMode{FailOpen, FailClose}))
	}
	return append(all, validateResources(p.Resources, at.Child("resources"))...)
}

func (f Flux) validate(at *field.Path) field.ErrorList {
	all := metav1validation.ValidateLabels(f.Labels, at.Child("labels"))
	for key, name := range map[string]string{
		"serviceAccountName": f.ServiceAccountName,
		"secretRef":          f.SecretRef,
		"certSecretRef":      f.CertSecretRef,
		"proxySecretRef":     f.ProxySecretRef,
	} {
		if name != "" {
			all = append(all, validateNames([]string{name}, at.Child(key))...)
		}
	}
	if f.InstallTimeout.Duration < 0 {
		all = append(all, field.Invalid(at.Child("installTimeout"), f.InstallTimeout.Duration.String(), "must be positive, such as 5m"))
	}
	if f.Verify != nil {
		all = append(all, f.Verify.validate(at.Child("verify"))...)
	}
	slices.SortStableFunc(all, func(a, b *field.Error) int { return strings.Compare(a.Field, b.Field) })
	return all
}

func (v Verify) validate(at *field.Path) field.ErrorList {
	var all field.ErrorList
	switch v.Provider {
	case "cosign":
		if v.SecretRef == "" && len(v.MatchOIDCIdentity) == 0 {
			all = append(all, field.Required(at.Child("matchOIDCIdentity"),
				"without secretRef the signature is keyless, and any signer would do: name whom you trust"))
		}
	case "notation":
		if v.SecretRef == "" {
			all = append(all, field.Required(at.Child("secretRef"), "notation needs the Secret with its trust policy and certificates"))
		}
	default:
		all = append(all, field.NotSupported(at.Child("provider"), v.Provider, []string{"cosign", "notation"}))
	}
	if v.SecretRef != "" {
		all = append(all, validateNames([]string{v.SecretRef}, at.Child("secretRef"))...)
	}
	for i, identity := range v.MatchOIDCIdentity {
		item := at.Child("matchOIDCIdentity").Index(i)
		all = append(all, validatePattern(identity.Issuer, item.Child("issuer"))...)
		all = append(all, validatePattern(identity.Subject, item.Child("subject"))...)
	}
	return all
}

func validatePattern(pattern string, at *field.Path) field.ErrorList {
	if pattern == "" {
		return field.ErrorList{field.Required(at, "a regular expression; an empty one would match anybody")}
	}
	if _, err := regexp.Compile(pattern); err != nil {
		return field.ErrorList{field.Invalid(at, pattern, err.Error())}
	}
	return nil
}

func validateNames(names []string, at *field.Path) field.ErrorList {
	var all field.ErrorList
	for i, name := range names {
		item := at
		if len(names) > 1 {
			item = at.Index(i)
		}
		for _, message := range validation.IsDNS1123Subdomain(name) {
			all = append(all, field.Invalid(item, name, message))
		}
	}
	return all
}

// validateRepository accepts a registry path without tag and digest, which have fields of their own.
func validateRepository(repository string, at *field.Path) field.ErrorList {
	pattern := regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`)
	if !pattern.MatchString(repository) {
		return field.ErrorList{field.Invalid(at, withoutUserinfo(repository),
			"must be a registry path without scheme, tag, digest and trailing slash, such as mirror.corp.example/vllm/vllm-openai")}
	}
	return nil
}

func validateTag(tag string, at *field.Path) field.ErrorList {
	if tag != "" && !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`).MatchString(tag) {
		return field.ErrorList{field.Invalid(at, tag, "must be an image tag")}
	}
	return nil
}

func validateDigest(digest string, at *field.Path) field.ErrorList {
	if digest != "" && !regexp.MustCompile(`^sha256:[0-9a-f]{64}$`).MatchString(digest) {
		return field.ErrorList{field.Invalid(at, digest, "must be sha256: and 64 hexadecimal digits")}
	}
	return nil
}

func validatePullPolicy(policy corev1.PullPolicy, at *field.Path) field.ErrorList {
	policies := []corev1.PullPolicy{corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever}
	if !slices.Contains(policies, policy) {
		return field.ErrorList{field.NotSupported(at, policy, policies)}
	}
	return nil
}

// validateResources leaves amounts to the API server, but catches GPUs: those follow from the model.
func validateResources(r corev1.ResourceRequirements, at *field.Path) field.ErrorList {
	var all field.ErrorList
	for key, list := range map[string]corev1.ResourceList{"requests": r.Requests, "limits": r.Limits} {
		for name, quantity := range list {
			item := at.Child(key).Key(string(name))
			if strings.Contains(string(name), "/") {
				all = append(all, field.Forbidden(item, "GPUs and other devices follow from the model"))
			}
			if quantity.Sign() < 0 {
				all = append(all, field.Invalid(item, quantity.String(), "must not be negative"))
			}
		}
	}
	slices.SortFunc(all, func(a, b *field.Error) int { return strings.Compare(a.Field, b.Field) })
	return all
}
