{{- /* The volume of the state file. The templates "has..." and "keeps..." return "true" or an empty text. */}}

{{- define "aws-iot-bulk-exporter.hasState" -}}
{{- if (.Values.persistence).enabled }}true{{ end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.hasClaim" -}}
{{- if and (include "aws-iot-bulk-exporter.hasState" .) (eq .Values.persistence.type "persistentVolumeClaim") }}true{{ end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.stateFolder" -}}
/var/lib/aws-iot-bulk-exporter
{{- end }}

{{- define "aws-iot-bulk-exporter.claimName" -}}
{{- $own := include "aws-iot-bulk-exporter.fitted" (dict "most" 63 "name" (printf "%s-state" (include "aws-iot-bulk-exporter.fullname" .))) }}
{{- .Values.persistence.existingClaim | default $own }}
{{- end }}

{{- define "aws-iot-bulk-exporter.keepsClaims" -}}
{{- if eq "Retain" ((.Values.persistence.persistentVolumeClaimRetentionPolicy).whenDeleted | default "Retain") }}true{{ end }}
{{- end }}

{{- /* The volume in the pod template. For shards with claims, the StatefulSet creates the volume from its claim template. */}}
{{- define "aws-iot-bulk-exporter.stateVolume" -}}
{{- if not (include "aws-iot-bulk-exporter.hasState" .) }}
{{- else if not (include "aws-iot-bulk-exporter.hasClaim" .) }}
- name: state
  emptyDir:
    {{- .Values.persistence.emptyDir | default dict | toYaml | nindent 4 }}
{{- else if not (include "aws-iot-bulk-exporter.isSharded" .) }}
- name: state
  persistentVolumeClaim:
    claimName: {{ include "aws-iot-bulk-exporter.claimName" . | quote }}
{{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.claimSpec" -}}
accessModes:
  {{- .Values.persistence.accessModes | default (list "ReadWriteOnce") | toYaml | nindent 2 }}
resources:
  requests:
    storage: {{ .Values.persistence.size | quote }}
{{- with .Values.persistence.storageClassName }}
storageClassName: {{ eq . "-" | ternary "" . | quote }}
{{- end }}
{{- end }}

{{- /* Kubernetes rejects changes of a claim template, so it must not contain labels with the version of the chart. */}}
{{- define "aws-iot-bulk-exporter.claimTemplate" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: state
  {{- with .Values.persistence.labels }}
  labels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.persistence.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "aws-iot-bulk-exporter.claimSpec" . | nindent 2 }}
{{- end }}

{{- /* Two pods cannot use a claim at the same time. The null removes the defaults that Kubernetes added for a rolling update. */}}
{{- define "aws-iot-bulk-exporter.strategy" -}}
{{- $strategy := .Values.updateStrategy | default dict }}
{{- if include "aws-iot-bulk-exporter.hasClaim" . }}
{{- $strategy = dict "type" "Recreate" }}
{{- end }}
{{- if eq "Recreate" ($strategy.type | default "") }}
{{- $strategy = dict "type" "Recreate" "rollingUpdate" nil }}
{{- end }}
{{- with $strategy }}
{{- toYaml . }}
{{- end }}
{{- end }}
