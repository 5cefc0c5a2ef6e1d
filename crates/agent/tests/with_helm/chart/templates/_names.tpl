{{- define "boutique.labels" -}}
app: boutique
release: {{ .Release.Name | quote }}
{{- end }}
