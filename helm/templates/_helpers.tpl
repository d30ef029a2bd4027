{{- define "aws-iot-bulk-exporter.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* A release may have dots in its name, a Service may not. */}}
{{- define "aws-iot-bulk-exporter.fullname" -}}
{{- $name := include "aws-iot-bulk-exporter.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | replace "." "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | replace "." "-" | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* A name that is not longer than "most": the end of one that is becomes a hash of the whole. */}}
{{- define "aws-iot-bulk-exporter.fitted" -}}
{{- if gt (len .name) (int .most) }}
{{- printf "%s-%s" (.name | trunc (int (sub .most 9)) | trimSuffix "-") (.name | sha256sum | trunc 8) }}
{{- else }}
{{- .name }}
{{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace }}
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

{{- /* The pod of helm test: neither the Service nor a budget may take it for an exporter. */}}
{{- define "aws-iot-bulk-exporter.testLabels" -}}
app.kubernetes.io/name: {{ include "aws-iot-bulk-exporter.fitted" (dict "most" 63 "name" (printf "%s-test" (include "aws-iot-bulk-exporter.name" .))) | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- /* metadata of an object; besides "root" all is optional: "name", "namespace", "labels", "annotations". */}}
{{- define "aws-iot-bulk-exporter.metadata" -}}
{{- $labels := include "aws-iot-bulk-exporter.labels" .root | fromYaml -}}
name: {{ .name | default (include "aws-iot-bulk-exporter.fullname" .root) | quote }}
namespace: {{ .namespace | default (include "aws-iot-bulk-exporter.namespace" .root) | quote }}
labels:
  {{- merge $labels (.labels | default dict) | toYaml | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "aws-iot-bulk-exporter.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.isSharded" -}}
{{- if gt (int .Values.shards) 1 }}true{{ end }}
{{- end }}

{{- /* A name of its own for the headless one: no Service that has an address can become headless. */}}
{{- define "aws-iot-bulk-exporter.serviceName" -}}
{{- $fullname := include "aws-iot-bulk-exporter.fullname" . }}
{{- if include "aws-iot-bulk-exporter.isSharded" . }}
{{- include "aws-iot-bulk-exporter.fitted" (dict "most" 63 "name" (printf "%s-shards" $fullname)) }}
{{- else }}
{{- $fullname }}
{{- end }}
{{- end }}

{{- /* Kubernetes appends a revision of 11 characters to a StatefulSet's name and makes a label of both. */}}
{{- define "aws-iot-bulk-exporter.statefulSetName" -}}
{{- include "aws-iot-bulk-exporter.fitted" (dict "most" 52 "name" (include "aws-iot-bulk-exporter.fullname" .)) }}
{{- end }}

{{- define "aws-iot-bulk-exporter.workload" -}}
{{- if include "aws-iot-bulk-exporter.isSharded" . }}
{{- printf "statefulset/%s" (include "aws-iot-bulk-exporter.statefulSetName" .) }}
{{- else }}
{{- printf "deployment/%s" (include "aws-iot-bulk-exporter.fullname" .) }}
{{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.configMapName" -}}
{{- .Values.existingConfigMap.name | default (include "aws-iot-bulk-exporter.fullname" .) }}
{{- end }}

{{- define "aws-iot-bulk-exporter.config" -}}
{{- .Values.config | default dict | toYaml }}
{{- end }}

{{- /* The reference of an image: "root", "image", and "tag", which is used where the image has none. */}}
{{- define "aws-iot-bulk-exporter.imageOf" -}}
{{- $registry := (.root.Values.global).imageRegistry | default .image.registry }}
{{- $repository := list $registry .image.repository | compact | join "/" }}
{{- if .image.digest }}
{{- printf "%s@%s" $repository .image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (.image.tag | default .tag) }}
{{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.image" -}}
{{- include "aws-iot-bulk-exporter.imageOf" (dict "root" . "image" .Values.image "tag" .Chart.AppVersion) }}
{{- end }}

{{- define "aws-iot-bulk-exporter.pullSecrets" -}}
{{- concat (.Values.imagePullSecrets | default list) ((.Values.global).imagePullSecrets | default list) | uniq | toYaml }}
{{- end }}

{{- /* Fills the parameters of the rules into a text: ${stalled}. A number as JSON has it, without an exponent. */}}
{{- define "aws-iot-bulk-exporter.filled" -}}
{{- $text := .text }}
{{- range $name, $value := .parameters }}
{{- $text = replace (printf "${%s}" $name) (kindIs "string" $value | ternary $value (toJson $value)) $text }}
{{- end }}
{{- $text }}
{{- end }}

{{- /* The name of a dashboard's object, from "root" and the "path" of its file. */}}
{{- define "aws-iot-bulk-exporter.dashboardName" -}}
{{- $dashboard := base .path | trimSuffix ".json" | trimPrefix "aws-iot-bulk-" }}
{{- $name := printf "%s-dashboard-%s" (include "aws-iot-bulk-exporter.fullname" .root) $dashboard }}
{{- include "aws-iot-bulk-exporter.fitted" (dict "most" 63 "name" $name) }}
{{- end }}
