{{/* `helm upgrade --reuse-values` hands over the values of the release that is there, without what came later. Every
template begins with this: it puts in the defaults of what is missing. */}}
{{- define "kymaros.complete" -}}
{{- include "kymaros.fill" (dict "values" .Values "defaults" (fromYaml (include "kymaros.defaults" .))) }}
{{- end }}

{{/* Only what is missing: false, nothing and 0 are values. What is handed on whole is not looked into, so that a key of
it can be taken away. */}}
{{- define "kymaros.fill" -}}
{{- $handedOn := list "resources" "podSecurityContext" "securityContext" }}
{{- range $key, $default := .defaults }}
{{- if not (hasKey $.values $key) }}
{{- $_ := set $.values $key $default }}
{{- else if and (kindIs "map" $default) (kindIs "map" (index $.values $key)) (not (has $key $handedOn)) }}
{{- include "kymaros.fill" (dict "values" (index $.values $key) "defaults" $default) }}
{{- end }}
{{- end }}
{{- end }}
