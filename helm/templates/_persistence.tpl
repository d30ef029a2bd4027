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

{{- /* A StatefulSet creates its claims itself. With a claim in the manifest of a release, Helm 3 could not roll back. */}}
{{- define "aws-iot-bulk-exporter.hasOwnClaims" -}}
{{- if and (include "aws-iot-bulk-exporter.hasClaim" .) (not .Values.persistence.existingClaim) }}true{{ end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.keepsClaims" -}}
{{- if eq "Retain" ((.Values.persistence.persistentVolumeClaimRetentionPolicy).whenDeleted | default "Retain") }}true{{ end }}
{{- end }}

{{- /* The volume in the pod template. A StatefulSet with claims creates the volume from its claim template. */}}
{{- define "aws-iot-bulk-exporter.stateVolume" -}}
{{- if not (include "aws-iot-bulk-exporter.hasState" .) }}
{{- else if not (include "aws-iot-bulk-exporter.hasClaim" .) }}
- name: state
  emptyDir:
    {{- .Values.persistence.emptyDir | default dict | toYaml | nindent 4 }}
{{- else if not (include "aws-iot-bulk-exporter.hasOwnClaims" .) }}
- name: state
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim | quote }}
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

{{- /* Two pods cannot use a claim at the same time. */}}
{{- define "aws-iot-bulk-exporter.strategy" -}}
{{- $default := dict "type" "RollingUpdate" "rollingUpdate" (dict "maxSurge" "25%" "maxUnavailable" "25%") }}
{{- $type := include "aws-iot-bulk-exporter.hasClaim" . | empty | ternary (.Values.updateStrategy).type "Recreate" }}
{{- include "aws-iot-bulk-exporter.ownedStrategy" (dict "default" $default "type" $type "values" .Values.updateStrategy) }}
{{- end }}

{{- /* A StatefulSet always stops the old pod first, so "Recreate" is its default. */}}
{{- define "aws-iot-bulk-exporter.updateStrategy" -}}
{{- $default := dict "type" "RollingUpdate" "rollingUpdate" (dict "partition" 0) }}
{{- $values := .Values.updateStrategy | default dict }}
{{- if eq "Recreate" ($values.type | default "") }}
{{- $values = dict }}
{{- end }}
{{- include "aws-iot-bulk-exporter.ownedStrategy" (dict "default" $default "type" $values.type "values" $values) }}
{{- end }}

{{- /* A strategy with every field that Kubernetes would add. Helm 4 cannot remove fields that Kubernetes added, and
Kubernetes refuses "rollingUpdate" with another type. Helm 3 needs the null for fields of older charts. Parameters:
"default", "type", "values". */}}
{{- define "aws-iot-bulk-exporter.ownedStrategy" -}}
{{- if and .type (ne .type .default.type) }}
{{- dict "type" .type "rollingUpdate" nil | toYaml }}
{{- else }}
{{- mergeOverwrite .default (.values | default dict) | toYaml }}
{{- end }}
{{- end }}
