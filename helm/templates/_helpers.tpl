{{- define "aws-iot-bulk-exporter.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The name of a release may contain dots, but the name of a Service may not. */}}
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

{{- /* A name with at most "most" characters. The end of a longer name is replaced by a hash of the whole name. */}}
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

{{- /* merge keeps the first value of a key, so user labels cannot change a selector or appear twice. */}}
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

{{- /* The labels of the pod of helm test. The Service and the PodDisruptionBudget must not select this pod. */}}
{{- define "aws-iot-bulk-exporter.testLabels" -}}
app.kubernetes.io/name: {{ include "aws-iot-bulk-exporter.fitted" (dict "most" 63 "name" (printf "%s-test" (include "aws-iot-bulk-exporter.name" .))) | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- /* The metadata of an object. Parameters: "root"; optional: "name", "namespace", "labels", "annotations". */}}
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

{{- /* The headless Service has a different name, because Kubernetes cannot make an existing Service headless. */}}
{{- define "aws-iot-bulk-exporter.serviceName" -}}
{{- $fullname := include "aws-iot-bulk-exporter.fullname" . }}
{{- if include "aws-iot-bulk-exporter.isSharded" . }}
{{- include "aws-iot-bulk-exporter.fitted" (dict "most" 63 "name" (printf "%s-shards" $fullname)) }}
{{- else }}
{{- $fullname }}
{{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.isStateful" -}}
{{- if or (include "aws-iot-bulk-exporter.isSharded" .) (include "aws-iot-bulk-exporter.hasOwnClaims" .) }}true{{ end }}
{{- end }}

{{- /* Kubernetes adds a revision of 11 characters to the name of a StatefulSet and uses both as a label value. A single pod
with a claim has another StatefulSet than shards, because Kubernetes can change neither its Service nor its claim template. */}}
{{- define "aws-iot-bulk-exporter.statefulSetName" -}}
{{- $suffix := include "aws-iot-bulk-exporter.isSharded" . | empty | ternary "-single" "" }}
{{- $name := printf "%s%s" (include "aws-iot-bulk-exporter.fullname" .) $suffix }}
{{- include "aws-iot-bulk-exporter.fitted" (dict "most" 52 "name" $name) }}
{{- end }}

{{- define "aws-iot-bulk-exporter.workload" -}}
{{- if include "aws-iot-bulk-exporter.isStateful" . }}
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

{{- /* The reference of an image. Parameters: "root", "image", and "tag" for an image without a tag. */}}
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

{{- /* A text in which parameters such as ${rate} are replaced by their values. toJson prints numbers without an exponent. */}}
{{- define "aws-iot-bulk-exporter.filled" -}}
{{- $text := .text }}
{{- range $name, $value := .parameters }}
{{- $text = replace (printf "${%s}" $name) (kindIs "string" $value | ternary $value (toJson $value)) $text }}
{{- end }}
{{- $text | replace ", }" "}" | replace "{}" "" }}
{{- end }}

{{- /* The hosts of the links of alerts, as YAML. Without a host, it is empty. Parameters: "root", and "values" with "runbooks"
and "dashboards". */}}
{{- define "aws-iot-bulk-exporter.links" -}}
{{- $exporter := .root.Values.web.externalUrl | default "" | trimSuffix "/" }}
runbooks: {{ .values.runbooks | default (ternary (printf "%s/runbooks" $exporter) "" (ne $exporter "")) | quote }}
runbook_suffix: {{ ternary ".md" "" (ne .values.runbooks "") | quote }}
operations: {{ $exporter | quote }}
dashboards: {{ .values.dashboards | quote }}
{{- end }}

{{- /* The parameters that limit rules to some exporters. Parameters: "root", "values" with "selector" and "grouping", and
the default "targets". A release with an unusual name has a job that the default does not match. */}}
{{- define "aws-iot-bulk-exporter.selection" -}}
{{- $targets := .targets }}
{{- $fullname := include "aws-iot-bulk-exporter.fullname" .root }}
{{- if not (contains "aws-iot-bulk" $fullname) }}
{{- $targets = replace "aws-iot-bulk" (printf "(aws-iot-bulk|%s)" $fullname) $targets }}
{{- end }}
{{- /* --reuse-values of an older chart has no grouping. */}}
{{- $grouping := kindIs "invalid" .values.grouping | ternary (list "job" "namespace" "cluster") .values.grouping }}
{{- $group := "" }}
{{- range $grouping }}
{{- $group = printf "%s{{ with $labels.%s }}, %s {{ . }}{{ end }}" $group . . }}
{{- end }}
{{- $selector := empty .values.selector | ternary "" (printf "%s, " .values.selector) }}
{{- dict "selector" $selector "targets" (.values.selector | default $targets) "grouping" (join ", " $grouping) "group" $group | toYaml }}
{{- end }}

{{- /* The name of the object for a dashboard. Parameters: "root" and the "path" of the file. */}}
{{- define "aws-iot-bulk-exporter.dashboardName" -}}
{{- $dashboard := base .path | trimSuffix ".json" | trimPrefix "aws-iot-bulk-" }}
{{- $name := printf "%s-dashboard-%s" (include "aws-iot-bulk-exporter.fullname" .root) $dashboard }}
{{- include "aws-iot-bulk-exporter.fitted" (dict "most" 63 "name" $name) }}
{{- end }}
