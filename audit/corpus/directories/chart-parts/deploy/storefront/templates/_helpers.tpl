{{/* gcr.io is where images were: {{ .Values.image.registry }} */}}
{{- define "storefront.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- printf "%s/%s/%s:%s" .Values.image.registry .Values.image.project .Values.image.name $tag -}}
{{- end -}}
