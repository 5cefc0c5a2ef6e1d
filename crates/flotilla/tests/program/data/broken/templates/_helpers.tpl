{{- define "name" -}}
{{ .Values.cluster.name | upper }}
{{- end -}}
