{{/* Conditions (CEL) that webhooks and policies share. In conditions of webhooks there are no variables. */}}

{{- define "kymaros.cel.isOperator" -}}
request.userInfo.username == '{{ include "kymaros.username" . }}'
{{- end }}

{{- define "kymaros.cel.stays" -}}
!has(object.metadata) || !has(object.metadata.deletionTimestamp)
{{- end }}

{{/* Velero labels what it restores with the name of its Restore; ours are named kymaros-<hash>-<number>. Only objects
that come to the label are looked at: what has it may be changed and released by anyone. */}}
{{- define "kymaros.cel.isRestoredByUs" -}}
has(object.metadata.labels) && 'velero.io/restore-name' in object.metadata.labels
&& object.metadata.labels['velero.io/restore-name'].matches('^kymaros-[0-9a-f]{8}-[0-9]+$')
{{- end }}

{{- define "kymaros.cel.isNewlyRestored" -}}
oldObject == null || !has(oldObject.metadata.labels) || !('velero.io/restore-name' in oldObject.metadata.labels)
|| oldObject.metadata.labels['velero.io/restore-name'] != object.metadata.labels['velero.io/restore-name']
{{- end }}

{{/* A label that marks a sandbox appears or changes, or goes before its namespace does. */}}
{{- define "kymaros.cel.isMarked" -}}
['kymaros.io/managed-by', 'kymaros.io/run-uid'].exists(mark,
  has(object.metadata.labels) && mark in object.metadata.labels
  ? !(oldObject != null && has(oldObject.metadata.labels) && mark in oldObject.metadata.labels
    && oldObject.metadata.labels[mark] == object.metadata.labels[mark])
  : oldObject != null && has(oldObject.metadata.labels) && mark in oldObject.metadata.labels
    && !has(object.metadata.deletionTimestamp))
{{- end }}

{{/* In a policy: the namespace of the object is a sandbox. */}}
{{- define "kymaros.cel.isInSandbox" -}}
namespaceObject != null && has(namespaceObject.metadata.labels)
&& 'kymaros.io/run-uid' in namespaceObject.metadata.labels
&& 'kymaros.io/managed-by' in namespaceObject.metadata.labels
&& namespaceObject.metadata.labels['kymaros.io/managed-by'] == 'kymaros'
{{- end }}

{{/* In a policy: of the object one field of its spec changes, and nothing else. */}}
{{- define "kymaros.cel.changesOnly" -}}
['labels', 'annotations', 'ownerReferences', 'finalizers'].all(key,
  (key in object.metadata) == (key in oldObject.metadata)
  && (!(key in object.metadata) || object.metadata[key] == oldObject.metadata[key]))
&& object.spec.all(key, key == '{{ . }}' || (key in oldObject.spec && object.spec[key] == oldObject.spec[key]))
&& oldObject.spec.all(key, key == '{{ . }}' || key in object.spec)
{{- end }}

{{/* How the API server reaches a webhook. Without caBundle: the operator, or cert-manager, writes that field and owns
it, so that nobody who applies these manifests again takes it away. */}}
{{- define "kymaros.webhookClient" -}}
service:
  name: {{ include "kymaros.webhookService" .release }}
  namespace: {{ .release.Release.Namespace }}
  port: 443
  path: {{ .path }}
{{- end }}

{{- define "kymaros.webhookAnnotations" -}}
{{- if .Values.webhooks.certManager.enabled }}
annotations:
  cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "kymaros.webhookService" . }}
{{- end }}
{{- end }}

{{- define "kymaros.webhookManners" -}}
admissionReviewVersions: [v1]
sideEffects: None
matchPolicy: Equivalent
timeoutSeconds: {{ int .Values.webhooks.timeoutSeconds }}
{{- end }}

{{- define "kymaros.policyBinding" }}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ include "kymaros.fullname" .release }}-{{ .policy }}
  labels:
    {{- include "kymaros.labels" .release | nindent 4 }}
spec:
  policyName: {{ include "kymaros.fullname" .release }}-{{ .policy }}
  validationActions: [Deny]
{{- end }}
