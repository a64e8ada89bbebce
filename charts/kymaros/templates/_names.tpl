{{/* Names, and what follows from them. */}}

{{- define "kymaros.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Names made from this one have up to 20 characters more, and Services may have 63. */}}
{{- define "kymaros.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 43 | trimSuffix "-" }}
{{- else if contains (include "kymaros.name" .) .Release.Name }}
{{- .Release.Name | trunc 43 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "kymaros.name" .) | trunc 43 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "kymaros.sandboxRole" -}}
{{ include "kymaros.fullname" . }}-sandbox
{{- end }}

{{- define "kymaros.sandboxPriorityClass" -}}
{{ include "kymaros.fullname" . }}-sandbox
{{- end }}

{{- define "kymaros.webhookService" -}}
{{ include "kymaros.fullname" . }}-webhooks
{{- end }}
{{- define "kymaros.metricsService" -}}
{{ include "kymaros.fullname" . }}-metrics
{{- end }}

{{- define "kymaros.apiService" -}}
{{ include "kymaros.fullname" . }}-api
{{- end }}

{{/* Names of API and dashboard, with commas between. */}}
{{- define "kymaros.apiHosts" -}}
{{- $service := include "kymaros.apiService" . }}
{{- $inNamespace := printf "%s.%s" $service .Release.Namespace }}
{{- $hosts := list $service $inNamespace (printf "%s.svc" $inNamespace) (printf "%s.svc.cluster.local" $inNamespace) }}
{{- if .Values.ingress.enabled }}
{{- $hosts = append $hosts .Values.ingress.host }}
{{- end }}
{{- if .Values.gatewayAPI.enabled }}
{{- $hosts = concat $hosts .Values.gatewayAPI.hostnames }}
{{- end }}
{{- join "," (uniq (concat $hosts .Values.api.hosts)) }}
{{- end }}

{{- define "kymaros.authSecret" -}}
{{ default (printf "%s-auth" (include "kymaros.fullname" .)) .Values.auth.existingSecret }}
{{- end }}

{{/* How callers of the API are known. */}}
{{- define "kymaros.authMode" -}}
{{- default (ternary "token" "kubernetes" .Values.auth.enabled) .Values.auth.mode }}
{{- end }}

{{/* "true" when the API server is asked who somebody is and what they may. */}}
{{- define "kymaros.reviews" -}}
{{- $forApi := and .Values.api.enabled (eq (include "kymaros.authMode" .) "kubernetes") }}
{{- if or $forApi (and .Values.metrics.enabled .Values.metrics.secure) }}true{{ end }}
{{- end }}

{{/* "true" when the operator's account changes tests for callers of the API. */}}
{{- define "kymaros.writesTests" -}}
{{- if and .Values.api.enabled (ne (include "kymaros.authMode" .) "kubernetes") }}true{{ end }}
{{- end }}

{{- define "kymaros.webhookConfiguration" -}}
{{ include "kymaros.fullname" . }}
{{- end }}

{{- define "kymaros.certificateSecret" -}}
{{ include "kymaros.fullname" . }}-webhook-certificate
{{- end }}

{{- define "kymaros.lease" -}}
{{ include "kymaros.fullname" . }}-leader
{{- end }}

{{- define "kymaros.licenseSecret" -}}
{{ default "kymaros-license" .Values.license.existingSecret }}
{{- end }}

{{- define "kymaros.authoritySecrets" -}}
{{- range $i, $name := .Values.velero.caSecrets }}{{ if $i }}, {{ end }}{{ quote $name }}{{ end }}
{{- end }}

{{/* The Secrets of the operator's own receivers; empty when it has none. */}}
{{- define "kymaros.ownReceivers" -}}
{{- $names := list }}
{{- range list .Values.notifications.slack .Values.notifications.webhook }}
{{- if .enabled }}
{{- $names = append $names (.webhookSecretRef | quote) }}
{{- end }}
{{- end }}
{{- join ", " (uniq $names) }}
{{- end }}

{{/* The Secrets of one item of notifications.secrets. */}}
{{- define "kymaros.receivers" -}}
{{- $names := list }}
{{- range .names }}
{{- $names = append $names (. | quote) }}
{{- end }}
{{- join ", " $names }}
{{- end }}

{{- define "kymaros.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "kymaros.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is required when serviceAccount.create is false: admission fences this very account" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Who the operator is to the API server. */}}
{{- define "kymaros.username" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "kymaros.serviceAccountName" . }}
{{- end }}

{{- define "kymaros.selectorLabels" -}}
app.kubernetes.io/name: {{ include "kymaros.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kymaros.labels" -}}
{{ include "kymaros.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
