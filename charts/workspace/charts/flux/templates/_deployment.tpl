{{/* The settings of a controller that are not common to both: its section of the values. */}}
{{- define "flux.deployment" }}
{{- $own := index .values (ternary "sourceController" "helmController" (eq .name "source-controller")) }}
{{- $root := .root }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "flux.labels" . | nindent 4 }}
spec:
  replicas: 1
  # Neither shares its work: a second one would only wait for the first to go.
  strategy:
    type: Recreate
  selector:
    matchLabels:
      {{- include "flux.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- with .values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- include "flux.labels" . | nindent 8 }}
      {{- with .values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ .name }}
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets:
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- with $root.Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $root.Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.tolerations }}
      tolerations:
      {{- toYaml . | nindent 6 }}
      {{- end }}
      # A Helm action that is cut off is taken up again by the next pod.
      terminationGracePeriodSeconds: {{ ternary 10 75 (eq .name "source-controller") }}
      securityContext:
        runAsNonRoot: true
        seccompProfile:
          type: RuntimeDefault
        fsGroup: 1337
      containers:
      - name: manager
        image: {{ include "workspace.image" (dict "registry" $root.Values.registry "image" $own.image "defaultTag" "") }}
        imagePullPolicy: {{ $root.Values.image.pullPolicy }}
        args:
        {{- include (printf "flux.args.%s" .name) . | nindent 8 }}
        - --watch-all-namespaces
        - --enable-leader-election
        # A controller that was removed with its rights cannot give up its lease, and the next one waits for the end of it.
        - --leader-election-lease-duration=15s
        - --leader-election-renew-deadline=10s
        - --leader-election-retry-period=2s
        - --log-level={{ .values.logLevel }}
        - --log-encoding=json
        - --concurrent={{ $own.concurrent }}
        {{- range $own.extraArgs }}
        - {{ . | quote }}
        {{- end }}
        env:
        {{- include "flux.env" . | nindent 8 }}
        ports:
        {{- if eq .name "source-controller" }}
        - name: http
          containerPort: 9090
        {{- end }}
        - name: http-prom
          containerPort: 8080
        - name: healthz
          containerPort: 9440
        livenessProbe:
          httpGet:
            path: /healthz
            port: healthz
        readinessProbe:
          httpGet:
            path: {{ ternary "/" "/readyz" (eq .name "source-controller") }}
            port: {{ ternary "http" "healthz" (eq .name "source-controller") }}
          periodSeconds: 5
        {{- with $own.resources }}
        resources:
          {{- toYaml . | nindent 10 }}
        {{- end }}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities:
            drop: [ALL]
        volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- if eq .name "source-controller" }}
        - name: data
          mountPath: /data
        {{- end }}
        {{- if .values.caConfigMap }}
        - name: ca
          mountPath: /etc/registry-ca
          readOnly: true
        {{- end }}
      volumes:
      - name: tmp
        emptyDir: {}
      {{- if eq .name "source-controller" }}
      - name: data
        emptyDir: {}
      {{- end }}
      {{- with .values.caConfigMap }}
      - name: ca
        configMap:
          name: {{ . }}
      {{- end }}
{{- end }}

{{- define "flux.args.source-controller" -}}
- --storage-path=/data
- --storage-adv-addr=source-controller.$(RUNTIME_NAMESPACE).svc.cluster.local.
{{- end }}

{{/*
ConfigMaps and Secrets are not watched: the operator's releases take their values from the spec. A release that is changed
or deleted while Helm waits for its pods is looked at then, and not when the wait is over.
*/}}
{{- define "flux.args.helm-controller" -}}
- --feature-gates=DisableConfigWatchers=true,CancelHealthCheckOnNewRevision=true
- --no-cross-namespace-refs
- --graceful-shutdown-timeout=60s
{{- end }}

{{- define "flux.env" -}}
- name: RUNTIME_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: GOMEMLIMIT
  valueFrom:
    resourceFieldRef:
      containerName: manager
      resource: limits.memory
{{- if eq .name "source-controller" }}
# Where the check of signatures keeps what it downloads.
- name: TUF_ROOT
  value: /tmp/.sigstore
{{- end }}
{{- if .values.caConfigMap }}
# Go reads the usual file of authorities besides this directory.
- name: SSL_CERT_DIR
  value: /etc/registry-ca
{{- end }}
{{- if or .values.proxy.httpProxy .values.proxy.httpsProxy }}
- name: HTTP_PROXY
  value: {{ .values.proxy.httpProxy | quote }}
- name: HTTPS_PROXY
  value: {{ .values.proxy.httpsProxy | quote }}
- name: NO_PROXY
  value: {{ list ".svc,.svc.cluster.local,.svc.cluster.local.,$(KUBERNETES_SERVICE_HOST)" .values.proxy.noProxy | compact | join "," | quote }}
{{- end }}
{{- end -}}
