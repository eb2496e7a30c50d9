{{/*
Image of a component: global.imageRegistry (eu.gcr.io/...) and its name.
*/}}
{{- define "nordfisk.image" -}}
{{- $root := index . 0 -}}
{{- $c := index . 1 -}}
{{- printf "%s/%s:%s" $root.Values.global.imageRegistry $c.name (toString $c.tag) -}}
{{- end -}}

{{- define "nordfisk.debugImage" -}}
{{- printf "eu.gcr.io/nordfisk-prod/debug:%s" (.Values.debugTag | default "latest") -}}
{{- end -}}

{{- define "nordfisk.labels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end -}}
