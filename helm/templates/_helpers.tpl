{{- define "aws-iot-bulk-exporter.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "aws-iot-bulk-exporter.fullname" -}}
{{- $name := include "aws-iot-bulk-exporter.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "aws-iot-bulk-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- /* merge keeps the first value of a key: no label of the user's can break a selector or stand twice. */}}
{{- define "aws-iot-bulk-exporter.labels" -}}
{{- $labels := include "aws-iot-bulk-exporter.selectorLabels" . | fromYaml }}
{{- $_ := set $labels "app.kubernetes.io/version" (.Chart.AppVersion | replace "+" "_") }}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- merge $labels (.Values.commonLabels | default dict) | toYaml }}
{{- end }}

{{- define "aws-iot-bulk-exporter.podLabels" -}}
{{- $labels := include "aws-iot-bulk-exporter.selectorLabels" . | fromYaml }}
{{- merge $labels (.Values.podLabels | default dict) (.Values.commonLabels | default dict) | toYaml }}
{{- end }}

{{- define "aws-iot-bulk-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "aws-iot-bulk-exporter.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.configMapName" -}}
{{- if and .Values.existingConfigMap.name .Values.config }}
{{- fail "config and existingConfigMap.name exclude each other: set only one of them" }}
{{- end }}
{{- .Values.existingConfigMap.name | default (include "aws-iot-bulk-exporter.fullname" .) }}
{{- end }}

{{- define "aws-iot-bulk-exporter.config" -}}
{{- .Values.config | default dict | toYaml }}
{{- end }}

{{- define "aws-iot-bulk-exporter.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- /* Fills the parameters of the rules into a text: ${stalled}. */}}
{{- define "aws-iot-bulk-exporter.filled" -}}
{{- $text := .text }}
{{- range $name, $value := .parameters }}
{{- $text = replace (printf "${%s}" $name) (toString $value) $text }}
{{- end }}
{{- $text }}
{{- end }}
