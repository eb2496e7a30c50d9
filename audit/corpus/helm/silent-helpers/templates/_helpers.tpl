{{/* vim: set filetype=mustache: */}}
{{/*
Joins registry and repository. An empty registry means docker.io, not gcr.io.
*/}}
{{- define "desk.image" -}}
{{- $r := .Values.image.registry | default "docker.io" -}}
{{- printf "%s/%s:%s" $r .Values.image.repository (.Values.image.tag | toString) -}}
{{- end -}}

{{- define "desk.pullSecrets" -}}
{{- range .Values.imagePullSecrets }}
- name: {{ . }}
{{- end }}
{{- end -}}
