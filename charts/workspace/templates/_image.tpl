{{/*
The reference of an image: dict with registry, image {repository, tag, digest} and defaultTag. The registry takes the place
of the repository's own host; internal/plan.Image does the same for what the operator causes to be pulled.
*/}}
{{- define "workspace.image" -}}
{{- $ref := .image.repository -}}
{{- $registry := trimSuffix "/" .registry -}}
{{- if and $registry (not (hasPrefix (printf "%s/" $registry) $ref)) -}}
  {{- $parts := splitList "/" $ref -}}
  {{- if and (gt (len $parts) 1) (or (eq (first $parts) "localhost") (regexMatch "[.:]" (first $parts))) -}}
    {{- $ref = join "/" (rest $parts) -}}
  {{- end -}}
  {{- $ref = printf "%s/%s" $registry $ref -}}
{{- end -}}
{{- $ref -}}:{{- .image.tag | default .defaultTag -}}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/*
The operator's own image. A release pins it, but only as it is: the digest would go on meaning this release's program
beside a tag or repository that somebody chose, and the digest is what is pulled. Neither is it a value, which
--reuse-values would carry into the next release.
*/}}
{{- define "workspace.ownImage" -}}
{{- $image := .Values.image -}}
{{- if and (eq $image.repository "ghcr.io/workspace-operator/workspace-controller") (not $image.tag) (not $image.digest) -}}
{{- $image = merge (dict "digest" (index (.Chart.Annotations | default dict) "kaito.sh/image-digest")) $image -}}
{{- end -}}
{{- include "workspace.image" (dict "registry" .Values.registry "image" $image "defaultTag" .Chart.AppVersion) -}}
{{- end -}}
