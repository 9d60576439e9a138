{{/*
"yes" if the operator signs certificates for Endpoint Pickers, and so writes Secrets; or if it has to remove those that it
signed before the gate went off.
*/}}
{{- define "workspace.signs" -}}
{{- if .Values.featureGates.gatewayAPIInferenceExtension -}}
  {{- if not (dig "tls" "insecureSkipVerify" false .Values.config.gateway) }}yes{{ end -}}
{{- else -}}
  {{- include "workspace.installed" (dict "root" .) -}}
{{- end -}}
{{- end -}}

{{/* The operator's rules in the cluster; those on Secrets only if it needs them. */}}
{{- define "workspace.rules" -}}
{{- include "workspace.withoutSecrets" (dict "rules" (.Files.Get "files/rbac/cluster.yaml") "keep" (include "workspace.signs" .)) -}}
{{- end -}}

{{/* Its rules in its own namespace, likewise. */}}
{{- define "workspace.namespaceRules" -}}
{{- include "workspace.withoutSecrets" (dict "rules" (.Files.Get "files/rbac/namespace.yaml") "keep" (include "workspace.signs" .)) -}}
{{- end -}}

{{- define "workspace.withoutSecrets" -}}
{{- $rules := list -}}
{{- range fromYamlArray .rules -}}
  {{- if or $.keep (not (has "secrets" (.resources | default list))) }}{{ $rules = append $rules . }}{{ end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}
