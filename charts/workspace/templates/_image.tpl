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
