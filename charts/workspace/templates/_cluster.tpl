{{/* "yes" if the templates are rendered with a cluster to look at, empty for `helm template` and client-side dry runs. */}}
{{- define "workspace.hasCluster" -}}
{{- if lookup "v1" "Namespace" "" "kube-system" }}yes{{ end -}}
{{- end -}}

{{/* "yes" if an object (dict with root and object) belongs to this release. */}}
{{- define "workspace.isOurs" -}}
{{- $annotations := dig "metadata" "annotations" dict .object | default dict -}}
{{- if and (eq (index $annotations "meta.helm.sh/release-name" | default "") .root.Release.Name)
  (eq (index $annotations "meta.helm.sh/release-namespace" | default "") .root.Release.Namespace) }}yes{{ end -}}
{{- end -}}

{{/*
Whose the CRD of that name is (dict with root and name): empty for nobody's, "ours", "kept" by an earlier installation of
this chart under another name, or "foreign".
*/}}
{{- define "workspace.crdOwner" -}}
{{- $crd := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" .name -}}
{{- if $crd -}}
  {{- if include "workspace.isOurs" (dict "root" .root "object" $crd) -}}
  ours
  {{- else if eq (dig "metadata" "annotations" "kaito.sh/installed-by" "" $crd) "charts/workspace" -}}
  kept
  {{- else -}}
  foreign
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* "yes" if the InferencePool CRD is wanted and not somebody else's. */}}
{{- define "workspace.wantsInferencePoolCRD" -}}
{{- if eq .Values.crds.inferencePool "always" -}}
yes
{{- else if and (eq .Values.crds.inferencePool "auto") .Values.featureGates.gatewayAPIInferenceExtension -}}
  {{- if has (include "workspace.crdOwner" (dict "root" . "name" "inferencepools.inference.networking.k8s.io")) (list "" "ours") -}}
  yes
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* The namespace and name of a helm-controller that is not this release's, empty if there is none. */}}
{{- define "workspace.otherFlux" -}}
{{- $root := . -}}
{{- $found := "" -}}
{{- range (lookup "apps/v1" "Deployment" "" "").items -}}
  {{- $deployment := . -}}
  {{- if and (not $found) (not (include "workspace.isOurs" (dict "root" $root "object" $deployment))) -}}
    {{- range $deployment.spec.template.spec.containers -}}
      {{- if regexMatch "fluxcd/helm-controller([:@]|$)" .image -}}
        {{- $found = printf "%s/%s" $deployment.metadata.namespace $deployment.metadata.name -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $found -}}
{{- end -}}

{{/*
Why Flux is or is not part of the release: "gate" (off), "never", "other" (another one serves), "wanted", or "draining": the
gate went off while pools were there. Without helm-controller nothing would take the finalizers off their HelmReleases,
so it stays until a later upgrade finds none.
*/}}
{{- define "workspace.flux" -}}
{{- if .Values.featureGates.gatewayAPIInferenceExtension -}}
  {{- if ne .Values.flux.install "auto" -}}
    {{- ternary "wanted" "never" (eq .Values.flux.install "always") -}}
  {{- else if eq (include "workspace.crdOwner" (dict "root" . "name" "helmreleases.helm.toolkit.fluxcd.io")) "foreign" -}}
  other
  {{- else if include "workspace.otherFlux" . -}}
  other
  {{- else -}}
  wanted
  {{- end -}}
{{- else if include "workspace.drains" . -}}
draining
{{- else -}}
gate
{{- end -}}
{{- end -}}

{{/* "yes" if this release's helm-controller still has pools of ours to remove. */}}
{{- define "workspace.drains" -}}
{{- $controller := lookup "apps/v1" "Deployment" .Release.Namespace "helm-controller" -}}
{{- if and $controller (include "workspace.isOurs" (dict "root" . "object" $controller)) (include "workspace.installed" (dict "root" .)) }}yes{{ end -}}
{{- end -}}

{{/*
"yes" if there are HelmReleases that the operator made, with a label besides if one is given (dict with root and label).
What is switched off is removed by the operator and by Flux after the upgrade: until then they need their rights.
*/}}
{{- define "workspace.installed" -}}
{{- $left := "" -}}
{{- if .root.Capabilities.APIVersions.Has "helm.toolkit.fluxcd.io/v2/HelmRelease" -}}
  {{- $label := .label | default "app.kubernetes.io/managed-by" -}}
  {{- range (lookup "helm.toolkit.fluxcd.io/v2" "HelmRelease" "" "").items -}}
    {{- $labels := .metadata.labels | default dict -}}
    {{- if and (eq (index $labels "app.kubernetes.io/managed-by" | default "") "workspace-operator") (hasKey $labels $label) }}{{ $left = "yes" }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- $left -}}
{{- end -}}
