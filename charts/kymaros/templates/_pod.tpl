{{/* What the pods of this chart share: they run the same image, restricted in the same way. */}}

{{/* A repository whose first part looks like a host names its own registry, as image names do everywhere. */}}
{{- define "kymaros.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag }}
{{- $first := splitList "/" .Values.image.repository | first }}
{{- $hasRegistry := and (contains "/" .Values.image.repository) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) }}
{{- if or $hasRegistry (not .Values.image.registry) }}
{{- printf "%s:%s" .Values.image.repository $tag }}
{{- else }}
{{- printf "%s/%s:%s" .Values.image.registry .Values.image.repository $tag }}
{{- end }}
{{- end }}

{{- define "kymaros.container" -}}
image: {{ include "kymaros.image" . | quote }}
imagePullPolicy: {{ default .Values.global.imagePullPolicy .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "kymaros.podSpec" -}}
{{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "kymaros.uninstallHook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
