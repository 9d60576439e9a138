{{/* "yes" if the operator signs certificates for Endpoint Pickers, and so writes Secrets. */}}
{{- define "workspace.signs" -}}
{{- if and .Values.featureGates.gatewayAPIInferenceExtension (not (dig "tls" "insecureSkipVerify" false .Values.config.gateway)) }}yes{{ end -}}
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
