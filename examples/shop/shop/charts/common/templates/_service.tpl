{{/* Labels of a service. Takes root and name. */}}
{{- define "common.labels" -}}
{{ include "common.selector" . }}
app.kubernetes.io/part-of: shop
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- with .root.Values.region }}
topology.example.com/region: {{ . }}
{{- end }}
{{- end }}
{{- define "common.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}
{{/* The settings of a service: its own over the defaults. */}}
{{- define "common.settings" -}}
{{ mergeOverwrite (deepCopy .root.Values.defaults) (default dict .service) | toYaml }}
{{- end }}
