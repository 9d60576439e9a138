{{/* A controller's account with its rights in the cluster and, for its lease, in the namespace. */}}
{{- define "flux.account" }}
{{- $cluster := printf "%s-%s" (include "workspace.fullname" .root) .name }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "flux.labels" . | nindent 4 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $cluster }}
  labels:
    {{- include "flux.labels" . | nindent 4 }}
rules:
{{- include (printf "flux.rules.%s" .name) . }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $cluster }}
  labels:
    {{- include "flux.labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $cluster }}
subjects:
- kind: ServiceAccount
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "flux.labels" . | nindent 4 }}
rules:
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "flux.labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
- kind: ServiceAccount
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
{{- end }}

{{/* What source-controller needs for the operator's OCIRepositories; the other sources it only has to be able to watch. */}}
{{- define "flux.rules.source-controller" }}
- apiGroups: [source.toolkit.fluxcd.io]
  resources: [ocirepositories]
  verbs: [get, list, watch, patch]
- apiGroups: [source.toolkit.fluxcd.io]
  resources: [ocirepositories/status]
  verbs: [patch]
- apiGroups: [source.toolkit.fluxcd.io]
  resources: [buckets, gitrepositories, helmcharts, helmrepositories]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- $flux := .root.Values.config.flux }}
{{- with list $flux.secretRef $flux.certSecretRef $flux.proxySecretRef (dig "verify" "secretRef" "" $flux) | compact | uniq | sortAlpha }}
# Only the Secrets that the operator's configuration names.
- apiGroups: [""]
  resources: [secrets]
  resourceNames: {{ toJson . }}
  verbs: [get]
{{- end }}
{{- end }}

{{/* What helm-controller needs for its own objects, and to act as the account that the configuration names. */}}
{{- define "flux.rules.helm-controller" }}
- apiGroups: [helm.toolkit.fluxcd.io]
  resources: [helmreleases]
  verbs: [get, list, watch, patch]
- apiGroups: [helm.toolkit.fluxcd.io]
  resources: [helmreleases/status]
  verbs: [patch]
- apiGroups: [source.toolkit.fluxcd.io]
  resources: [helmcharts, ocirepositories]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- with .root.Values.config.flux.serviceAccountName }}
# With get alone, the deletion of a HelmRelease would wait for ever for a cache.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [serviceaccounts]
  resourceNames: [{{ . }}]
  verbs: [impersonate]
{{- end }}
{{- end }}

{{/*
What installing the pool charts takes, and who has it: helm-controller, everywhere or only in the namespaces that the values
name. If it acts as another account the role is nobody's until the user gives it to those accounts; then it must not come
and go with the setting, and follows the other values in every release.
*/}}
{{- define "flux.chartRights" }}
{{- $part := dict "name" "helm-controller" "root" .root }}
{{- $name := printf "%s-pool-charts" (include "workspace.fullname" .root) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $name }}
  labels:
    {{- include "flux.labels" $part | nindent 4 }}
rules:
{{- include "flux.rules.charts" . }}
{{- if not .root.Values.config.flux.serviceAccountName }}
{{- range .values.namespaces | default (list "") }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "RoleBinding" "ClusterRoleBinding" (ne . "") }}
metadata:
  name: {{ $name }}
  {{- with . }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "flux.labels" $part | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $name }}
subjects:
- kind: ServiceAccount
  name: helm-controller
  namespace: {{ $.root.Release.Namespace }}
{{- end }}
{{- end }}
{{- end }}

{{/*
What the pool charts render, and what their Roles grant, since nobody can grant what he does not have. test/charts
compares it with the charts.
*/}}
{{- define "flux.rules.charts" }}
# Helm keeps its releases in Secrets.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, create, update, delete]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, create, patch, delete]
- apiGroups: [inference.networking.k8s.io]
  resources: [inferencepools]
  verbs: [get, list, watch, create, patch, delete]
# Waiting for a Deployment looks at its ReplicaSets.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]
# From here on only granted to the Endpoint Picker.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [inference.networking.x-k8s.io]
  resources: [inferenceobjectives, inferencemodelrewrites, inferencepools]
  verbs: [get, list, watch]
{{- if eq .root.Values.config.chart.dialect "llm-d-router-gateway" }}
- apiGroups: [llm-d.ai]
  resources: [inferenceobjectives, inferencemodelrewrites]
  verbs: [get, list, watch]
{{- end }}
{{- if or (dig "bodyBasedRouting" "enabled" false .root.Values.config.gateway) (include "workspace.installed" (dict "root" .root "label" "kaito.sh/gateway")) }}
# The body-based router: its hooks into Istio, and what its Role grants. Without them it could not be removed either.
- apiGroups: [networking.istio.io]
  resources: [destinationrules, envoyfilters]
  verbs: [get, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [list, watch]
{{- end }}
{{- if gt (int .root.Values.config.endpointPicker.replicas) 1 }}
# Election of the leader among several.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}
{{- end }}
