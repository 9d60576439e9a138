{{/* Answers values that cannot work together, and KAITO's that mean nothing here, with what to write instead. */}}
{{- define "workspace.check" -}}
{{- if hasKey .Values "presetRegistryName" -}}
{{- fail "presetRegistryName: presets are built into the operator and need no images of their own. To pull vLLM, the Endpoint Picker, Flux and the pool chart from your registry, set registry=HOST/PATH instead; for another image of vLLM set config.modelServer.image" -}}
{{- end -}}
{{- if and (gt (int .Values.replicaCount) 1) (not .Values.leaderElection.enabled) -}}
{{- fail "leaderElection.enabled: must be true with replicaCount > 1, or several operators would work against each other" -}}
{{- end -}}
{{- with .Values.config.gateway.tls -}}
{{- if and .insecureSkipVerify .certManager -}}
{{- fail "config.gateway.tls: with certManager the gateway verifies certificates, with insecureSkipVerify it does not: set one of the two" -}}
{{- end -}}
{{- end -}}
{{- end -}}
