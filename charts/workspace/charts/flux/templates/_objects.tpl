{{/* All of Flux: dict with root (the parent's scope), values (this chart's) and files (this chart's). */}}
{{- define "flux.objects" }}
{{- include "flux.crds" . }}
{{- range list "source-controller" "helm-controller" }}
{{- $part := dict "name" . "root" $.root "values" $.values }}
{{- include "flux.account" $part }}
{{- include "flux.deployment" $part }}
{{- include "flux.network" $part }}
{{- end }}
{{- include "flux.chartRights" . }}
{{- include "flux.service" . }}
{{- end }}

{{/* CRDs that nobody else has installed; they stay when the chart goes. */}}
{{- define "flux.crds" }}
{{- range $path, $content := .files.Glob "files/crds/*.yaml" }}
{{- $group := base $path | trimSuffix ".yaml" | splitList "_" }}
{{- $name := printf "%s.%s" (last $group) (first $group) }}
{{- if has (include "workspace.crdOwner" (dict "root" $.root "name" $name)) (list "" "ours") }}
{{ toString $content }}
{{- end }}
{{- end }}
{{- end }}

{{- define "flux.selectorLabels" -}}
app: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{- define "flux.labels" -}}
{{ include "flux.selectorLabels" . }}
app.kubernetes.io/component: {{ .name }}
app.kubernetes.io/part-of: flux
{{ include "workspace.commonLabels" .root }}
{{- end -}}

{{- define "flux.service" }}
{{- $part := dict "name" "source-controller" "root" .root }}
---
apiVersion: v1
kind: Service
metadata:
  name: source-controller
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "flux.labels" $part | nindent 4 }}
spec:
  selector:
    {{- include "flux.selectorLabels" $part | nindent 4 }}
  ports:
  - name: http
    port: 80
    targetPort: http
{{- end }}

{{- define "flux.network" }}
{{- if .root.Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "flux.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "flux.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
  # What a pod's own node sends, the probes, is always let in.
  {{- if eq .name "source-controller" }}
  - ports:
    - port: 9090
    from:
    - podSelector:
        matchLabels:
          {{- include "flux.selectorLabels" (dict "name" "helm-controller" "root" .root) | nindent 10 }}
  {{- end }}
  - ports:
    - port: 8080
    {{- with .root.Values.networkPolicy.metricsFrom }}
    from:
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}
