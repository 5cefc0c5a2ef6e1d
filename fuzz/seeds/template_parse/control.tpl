{{- define "a.b" -}}{{ if and .x (not .y) }}1{{ else if eq .z "q" }}2{{ else }}3{{ end }}{{ end -}}
{{ range $i, $v := .list }}{{ if $i }}{{ break }}{{ end }}{{ continue }}{{ else }}none{{ end }}{{ with $x := .m.a }}{{ $x }}{{ else with .n }}{{ . }}{{ end }}{{ block "c" . }}x{{ end }}{{ template "a.b" $ }}
