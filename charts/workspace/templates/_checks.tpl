{{/* Answers every value that the schema cannot judge, all mistakes at once, with the key and what to write. */}}
{{- define "workspace.check" -}}
{{- $mistakes := "" -}}
{{- range list "kaito" "formats" "config" "gateway" "certificates" "together" -}}
{{- $mistakes = print $mistakes (include (printf "workspace.check.%s" .) $) -}}
{{- end -}}
{{- with trim $mistakes }}{{ fail (print "\n" .) }}{{ end -}}
{{- end -}}

{{/* One mistake. */}}
{{- define "workspace.mistake" -}}
{{ print "\n" (index . 0) ": " (index . 1) }}
{{- end -}}

{{/* KAITO's values that mean nothing here. Two of its gates say what is always so, and may stay. */}}
{{- define "workspace.check.kaito" -}}
{{- range $path, $answer := fromYaml (.Files.Get "files/checks/kaito.yaml") -}}
  {{- $keys := splitList "." $path -}}
  {{- $section := $.Values -}}
  {{- range initial $keys }}{{ $section = index $section . | default dict }}{{ end -}}
  {{- if hasKey $section (last $keys) }}{{ include "workspace.mistake" (list $path $answer) }}{{ end -}}
{{- end -}}
{{- range $gate, $answer := dict
  "vLLM" "vLLM is the only runtime; remove this value"
  "disableNodeAutoProvisioning" "no nodes are made; remove this value, and bring nodes of your own" -}}
  {{- if and (hasKey $.Values.featureGates $gate) (ne (toString (index $.Values.featureGates $gate)) "true") -}}
  {{- include "workspace.mistake" (list (print "featureGates." $gate) $answer) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "workspace.check.formats" -}}
{{- range $format := fromYamlArray (.Files.Get "files/checks/formats.yaml") -}}
  {{- range .at -}}
  {{- include "workspace.check.format" (dict "format" $format "path" "" "rest" (splitList "." .) "value" $.Values) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* Follows the rest of a path into a value: dict with format, path so far, rest and value. */}}
{{- define "workspace.check.format" -}}
{{- $format := .format -}}
{{- $path := .path -}}
{{- $rest := .rest -}}
{{- $value := .value -}}
{{- if not $rest -}}
  {{- $text := toString $value -}}
  {{- if and (not (kindIs "invalid" $value)) $text (not (and (regexMatch $format.pattern $text) (le (len $text) (int ($format.max | default 1000))))) -}}
  {{- include "workspace.mistake" (list $path (printf "must be %s, not %q" $format.want $text)) -}}
  {{- end -}}
{{- else -}}
  {{- $key := first $rest -}}
  {{- $found := dict -}}
  {{- if and (eq $key "*") (or (kindIs "map" $value) (kindIs "slice" $value)) -}}
    {{- range $name, $item := $value }}{{ $_ := set $found (toString $name) $item }}{{ end -}}
  {{- else if and (eq $key "@") (kindIs "map" $value) -}}
    {{- range $name, $item := $value }}{{ $_ := set $found $name $name }}{{ end -}}
  {{- else if and (kindIs "map" $value) (hasKey $value $key) -}}
    {{- $_ := set $found $key (index $value $key) -}}
  {{- end -}}
  {{- range $name, $item := $found -}}
  {{- include "workspace.check.format" (dict "format" $format "path" (list $path $name | compact | join ".") "rest" (rest $rest) "value" $item) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* What the operator would refuse when it starts, and the pods crash. */}}
{{- define "workspace.check.config" -}}
{{- $chart := .Values.config.chart -}}
{{- $dialect := $chart.dialect | default "inferencepool" -}}
{{- $versions := index (fromYaml (.Files.Get "files/checks/supported.yaml")) $dialect -}}
{{- if and $chart.version (not (has $chart.version $versions)) -}}
{{- include "workspace.mistake" (list "config.chart.version" (printf "the operator knows no values for %s of %s: write one of %s, or nothing for the newest" $chart.version $dialect (join ", " $versions))) -}}
{{- end -}}
{{- $server := .Values.config.modelServer -}}
{{- if and $server.image (not $server.version) (not $server.digest) -}}
{{- include "workspace.mistake" (list "config.modelServer.version" "an image other than vLLM's own needs its tag, such as v0.33.0, or config.modelServer.digest") -}}
{{- end -}}
{{- $seen := list -}}
{{- range $server.env -}}
  {{- if has .name $seen }}{{ include "workspace.mistake" (list "config.modelServer.env" (printf "%s is there twice" .name)) }}{{ end -}}
  {{- $seen = append $seen .name -}}
{{- end -}}
{{- $picker := .Values.config.endpointPicker -}}
{{- if and $picker.image (not $picker.version) -}}
{{- include "workspace.mistake" (list "config.endpointPicker.version" "an image other than the chart's own needs its tag") -}}
{{- end -}}
{{- with .Values.config.flux.verify -}}
  {{- if not .provider -}}
  {{- include "workspace.mistake" (list "config.flux.verify.provider" "write cosign or notation") -}}
  {{- else if and (eq .provider "notation") (not .secretRef) -}}
  {{- include "workspace.mistake" (list "config.flux.verify.secretRef" "notation needs the Secret with its trust policy and certificates") -}}
  {{- else if not (or .secretRef .matchOIDCIdentity) -}}
  {{- include "workspace.mistake" (list "config.flux.verify.matchOIDCIdentity" "without secretRef the signature is keyless, and any signer would do: name whom you trust") -}}
  {{- end -}}
  {{- range .matchOIDCIdentity -}}
    {{/* An error here shows the expression. */}}
    {{- $_ := mustRegexMatch .issuer "" -}}
    {{- $_ := mustRegexMatch .subject "" -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "workspace.check.gateway" -}}
{{- with .Values.config.gateway.default -}}
  {{- if not (and .name .namespace) -}}
  {{- include "workspace.mistake" (list "config.gateway.default" "the default Gateway needs name and namespace") -}}
  {{- end -}}
{{- end -}}
{{- $router := .Values.config.gateway.bodyBasedRouting | default dict -}}
{{- if $router.enabled -}}
  {{- $versions := (fromYaml (.Files.Get "files/checks/supported.yaml")).bodyBasedRouting -}}
  {{- if and $router.version (not (has $router.version $versions)) -}}
  {{- include "workspace.mistake" (list "config.gateway.bodyBasedRouting.version" (printf "the operator knows no values for %s: write one of %s, or nothing" $router.version (join ", " $versions))) -}}
  {{- end -}}
  {{- if eq (.Values.config.gateway.implementation | default "istio") "other" -}}
  {{- include "workspace.mistake" (list "config.gateway.bodyBasedRouting.enabled" "its chart knows how to hook into Istio only: set config.gateway.implementation to istio, or install a router of your own") -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/*
Certificates of cert-manager. What is in the bundle is shown to nobody: a key may have got there by mistake. Whether its
certificates are those of authorities only the operator can see.
*/}}
{{- define "workspace.check.certificates" -}}
{{- $tls := .Values.config.gateway.tls | default dict -}}
{{- with $tls.certManager -}}
  {{- if $tls.insecureSkipVerify -}}
  {{- include "workspace.mistake" (list "config.gateway.tls" "with certManager the gateway verifies certificates, with insecureSkipVerify it does not: set one of the two") -}}
  {{- end -}}
  {{- $issuer := .issuerRef | default dict -}}
  {{- if not $issuer.name -}}
  {{- include "workspace.mistake" (list "config.gateway.tls.certManager.issuerRef.name" "the name of the issuer that signs the certificates") -}}
  {{- end -}}
  {{- if and (eq ($issuer.group | default "cert-manager.io") "cert-manager.io") (not (has ($issuer.kind | default "Issuer") (list "Issuer" "ClusterIssuer"))) -}}
  {{- include "workspace.mistake" (list "config.gateway.tls.certManager.issuerRef.kind" "cert-manager.io has Issuer and ClusterIssuer; for another kind write its group") -}}
  {{- end -}}
  {{- $blocks := len (regexFindAll "-----BEGIN " (.caBundle | default "") -1) -}}
  {{- $certificates := len (regexFindAll "-----BEGIN CERTIFICATE-----\\s+[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----" (.caBundle | default "") -1) -}}
  {{- if or (not $blocks) (ne $blocks $certificates) -}}
  {{- include "workspace.mistake" (list "config.gateway.tls.certManager.caBundle" (printf "write the certificate of the authority that the issuer signs with, whole and nothing else: of its blocks %d are certificates, of %d" $certificates $blocks)) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* Values that cannot work together. */}}
{{- define "workspace.check.together" -}}
{{- if and (gt (int .Values.replicaCount) 1) (not .Values.leaderElection.enabled) -}}
{{- include "workspace.mistake" (list "leaderElection.enabled" "must be true with replicaCount > 1, or several operators would work against each other") -}}
{{- end -}}
{{- range $part := list "serviceMonitor" "rules" "dashboard" -}}
  {{- if and (index $.Values.metrics $part).enabled (not $.Values.metrics.enabled) -}}
  {{- include "workspace.mistake" (list (printf "metrics.%s.enabled" $part) "needs metrics.enabled, which is false") -}}
  {{- end -}}
{{- end -}}
{{- end -}}
