{{/* The operator's configuration file: what is set in config, the gate and the registry. */}}
{{- define "workspace.config" -}}
{{- $file := dict "apiVersion" "config.kaito.sh/v1alpha1" "kind" "Configuration" -}}
{{- $_ := set $file "featureGates" .Values.featureGates -}}
{{- with .Values.registry }}{{ $_ := set $file "registry" . }}{{ end -}}
{{- range $name, $section := .Values.config -}}
  {{- if kindIs "map" $section -}}
    {{- $set := dict -}}
    {{- range $key, $value := $section -}}
      {{- if or $value (kindIs "bool" $value) }}{{ $_ := set $set $key $value }}{{ end -}}
    {{- end -}}
    {{- if $set }}{{ $_ := set $file $name $set }}{{ end -}}
  {{- else if $section -}}
    {{- $_ := set $file $name $section -}}
  {{- end -}}
{{- end -}}
{{- toYaml $file -}}
{{- end -}}
