{{/*
"yes" if the operator signs certificates for Endpoint Pickers, and so writes Secrets; or if it has to remove those that it
signed before the gate went off. What it signed before cert-manager does, cert-manager takes over.
*/}}
{{- define "workspace.signs" -}}
{{- if .Values.featureGates.gatewayAPIInferenceExtension -}}
  {{- $tls := .Values.config.gateway.tls | default dict -}}
  {{- if not (or $tls.insecureSkipVerify $tls.certManager) }}yes{{ end -}}
{{- else -}}
  {{- include "workspace.installed" (dict "root" .) -}}
{{- end -}}
{{- end -}}

{{/* "yes" if cert-manager makes them; or as long as there are Certificates, which the operator has to remove. */}}
{{- define "workspace.requests" -}}
{{- if (.Values.config.gateway.tls | default dict).certManager -}}
yes
{{- else if .Capabilities.APIVersions.Has "cert-manager.io/v1/Certificate" -}}
  {{- $left := "" -}}
  {{- range (lookup "cert-manager.io/v1" "Certificate" "" "").items -}}
    {{- if eq (index (.metadata.labels | default dict) "app.kubernetes.io/managed-by" | default "") "workspace-operator" }}{{ $left = "yes" }}{{ end -}}
  {{- end -}}
  {{- $left -}}
{{- end -}}
{{- end -}}

{{/* The operator's rules in the cluster, without those that it does not need. */}}
{{- define "workspace.rules" -}}
{{- include "workspace.needed" (dict "root" . "rules" (.Files.Get "files/rbac/cluster.yaml")) -}}
{{- end -}}

{{/* Its rules in its own namespace, likewise. */}}
{{- define "workspace.namespaceRules" -}}
{{- include "workspace.needed" (dict "root" . "rules" (.Files.Get "files/rbac/namespace.yaml")) -}}
{{- end -}}

{{- define "workspace.needed" -}}
{{- $needless := list -}}
{{- if not (include "workspace.signs" .root) }}{{ $needless = append $needless "secrets" }}{{ end -}}
{{- if not (include "workspace.requests" .root) }}{{ $needless = append $needless "certificates" }}{{ end -}}
{{- $rules := list -}}
{{- range $rule := fromYamlArray .rules -}}
  {{- $keep := true -}}
  {{- range $needless }}{{ if has . ($rule.resources | default list) }}{{ $keep = false }}{{ end }}{{ end -}}
  {{- if $keep }}{{ $rules = append $rules $rule }}{{ end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}
