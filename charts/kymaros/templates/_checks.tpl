{{/* What must hold before anything is rendered, and what the cluster can be asked for. */}}

{{/* "true" when Helm talks to a cluster. `helm template` does not, and cannot look anything up. */}}
{{- define "kymaros.isConnected" -}}
{{- if lookup "v1" "Namespace" "" "kube-system" }}true{{ end }}
{{- end }}

{{- define "kymaros.checks" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection.enabled) }}
{{- fail "replicas is more than 1, but leaderElection.enabled is false: the replicas would work against each other" }}
{{- end }}
{{- if and (eq (include "kymaros.authMode" .) "token") (not .Values.auth.token) (not .Values.auth.existingSecret) }}
{{- fail "callers of the API are known by a token, but there is none: set auth.existingSecret or auth.token" }}
{{- end }}
{{- if and .Values.auth.enabled (ne (include "kymaros.authMode" .) "token") }}
{{- fail (printf "auth.enabled is the mode token of 0.6.9, but auth.mode is %s: keep one of the two" .Values.auth.mode) }}
{{- end }}
{{- range $type := list "slack" "webhook" }}
{{- $receiver := get $.Values.notifications $type }}
{{- if and $receiver.enabled (not $receiver.webhookSecretRef) }}
{{- fail (printf "notifications.%s.enabled is true without a Secret: name the one with the address in notifications.%s.webhookSecretRef" $type $type) }}
{{- end }}
{{- end }}
{{- $namespaces := list }}
{{- range .Values.notifications.secrets }}
{{- if has .namespace $namespaces }}
{{- fail (printf "notifications.secrets names namespace %s twice: write all of its names into one item" .namespace) }}
{{- end }}
{{- $namespaces = append $namespaces .namespace }}
{{- end }}
{{- if include "kymaros.isConnected" . }}
{{- include "kymaros.checkCluster" . }}
{{- end }}
{{- end }}

{{- define "kymaros.checkCluster" -}}
{{- if not (lookup "v1" "Namespace" "" .Values.velero.namespace) }}
{{- fail (printf "there is no namespace %s: install Velero first, or say where it is with velero.namespace" .Values.velero.namespace) }}
{{- end }}
{{- if .Values.webhooks.certManager.enabled }}
{{- include "kymaros.checkCertManager" . }}
{{- end }}
{{- $release := . }}
{{- range (lookup "admissionregistration.k8s.io/v1" "ValidatingWebhookConfiguration" "" "").items }}
{{- $configuration := .metadata }}
{{- range .webhooks }}
{{- if eq .name "guard.kymaros.io" }}
{{- include "kymaros.checkOwner" (dict "release" $release "configuration" $configuration) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The injector of older ones does not know matchConditions and takes them off the webhooks that it writes its bundle into:
the guard would be asked about every write of everybody. Its chart writes its version on its kinds. */}}
{{- define "kymaros.checkCertManager" -}}
{{- $kind := default dict (lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "certificates.cert-manager.io") }}
{{- $version := dig "metadata" "labels" "app.kubernetes.io/version" "" $kind | trimPrefix "v" }}
{{- if and (regexMatch "^[0-9]+[.][0-9]+[.][0-9]+" $version) (semverCompare "<1.12.0-0" $version) }}
{{- fail (printf "cert-manager %s would take the conditions off the webhooks, and every write in the cluster would wait for Kymaros: upgrade cert-manager to 1.12 or newer, or set webhooks.certManager.enabled=false" $version) }}
{{- end }}
{{- end }}

{{/* Another operator would be fenced off by this one's webhooks, and the other way round. */}}
{{- define "kymaros.checkOwner" -}}
{{- $annotations := default dict .configuration.annotations }}
{{- $name := dig "meta.helm.sh/release-name" "" $annotations }}
{{- $namespace := dig "meta.helm.sh/release-namespace" "" $annotations }}
{{- $isThis := and (eq $name .release.Release.Name) (eq $namespace .release.Release.Namespace) }}
{{- $isTakenOver := and (not $name) (eq .configuration.name (include "kymaros.webhookConfiguration" .release)) }}
{{- if not (or $isThis $isTakenOver) }}
{{- $who := printf "release %s in namespace %s" $name $namespace }}
{{- if not $name }}
{{- $who = printf "ValidatingWebhookConfiguration %s, not installed by Helm" .configuration.name }}
{{- end }}
{{- fail (printf "Kymaros is in this cluster already: %s. One serves all namespaces, and two would fence each other off. Upgrade that one, or uninstall it first" $who) }}
{{- end }}
{{- end }}
