{{/* What the operator's and its test's pods have in common. */}}
{{- define "workspace.podSpec" -}}
serviceAccountName: {{ include "workspace.serviceAccountName" . }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- toYaml . | nindent 0 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
{{- toYaml . | nindent 0 }}
{{- end }}
volumes:
- name: config
  configMap:
    name: {{ include "workspace.fullname" . }}-config
{{- end -}}

{{- define "workspace.container" -}}
image: {{ include "workspace.ownImage" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: GOMEMLIMIT
  valueFrom:
    resourceFieldRef:
      containerName: controller
      resource: limits.memory
{{- with .Values.env }}
{{- toYaml . | nindent 0 }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
- name: config
  mountPath: /etc/workspace-controller
  readOnly: true
{{- end -}}
