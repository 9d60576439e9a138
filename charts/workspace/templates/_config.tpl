{{/*
The operator's configuration file: what is set in config, the gate and the registry. Empty lists and maps are not set, nor
those within.
*/}}
{{- define "workspace.config" -}}
{{- $file := dict "apiVersion" "config.kaito.sh/v1alpha1" "kind" "Configuration" -}}
{{- $_ := set $file "featureGates" (omit .Values.featureGates "vLLM" "disableNodeAutoProvisioning") -}}
{{- with .Values.registry }}{{ $_ := set $file "registry" . }}{{ end -}}
{{- range $name, $section := .Values.config -}}
  {{- if kindIs "map" $section -}}
    {{- $set := dict -}}
    {{- range $key, $value := $section -}}
      {{- if kindIs "map" $value -}}
        {{- range $name, $inner := $value -}}
          {{- if and (kindIs "map" $inner) (not $inner) }}{{ $value = omit $value $name }}{{ end -}}
        {{- end -}}
      {{- end -}}
      {{- if or $value (kindIs "bool" $value) }}{{ $_ := set $set $key $value }}{{ end -}}
    {{- end -}}
    {{- if and (eq $name "gateway") (include "workspace.listsModels" $) -}}
      {{- $_ := set $set "bodyBasedRouting" (merge (dict "modelsService" (include "workspace.modelsService" $)) $set.bodyBasedRouting) -}}
    {{- end -}}
    {{- if $set }}{{ $_ := set $file $name $set }}{{ end -}}
  {{- else if $section -}}
    {{- $_ := set $file $name $section -}}
  {{- end -}}
{{- end -}}
{{- toYaml $file -}}
{{- end -}}

{{/* "yes" if the operator serves the list of models to Gateways. */}}
{{- define "workspace.listsModels" -}}
{{- if and .Values.featureGates.gatewayAPIInferenceExtension (dig "bodyBasedRouting" "enabled" false .Values.config.gateway) }}yes{{ end -}}
{{- end -}}

{{/* The Service that it is served at. */}}
{{- define "workspace.modelsService" -}}
{{- dig "bodyBasedRouting" "modelsService" "" .Values.config.gateway | default (printf "%s-models" (include "workspace.fullname" .)) -}}
{{- end -}}
