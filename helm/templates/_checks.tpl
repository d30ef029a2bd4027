{{- /* What no schema can tell in plain words: values that exclude each other, all of them at once. */}}
{{- define "aws-iot-bulk-exporter.check" -}}
{{- $problems := list }}
{{- if and .Values.config .Values.existingConfigMap.name }}
{{- $problems = append $problems "config and existingConfigMap.name exclude each other: set only one of them" }}
{{- end }}
{{- if and .Values.web.config .Values.web.existingSecret.name }}
{{- $problems = append $problems "web.config and web.existingSecret.name exclude each other: set only one of them" }}
{{- end }}
{{- if and .Values.web.certificateSecret (not (include "aws-iot-bulk-exporter.hasTls" .)) }}
{{- $problems = append $problems "web.certificateSecret: nothing uses it without a tls_server_config in web.config, or web.existingSecret.tls" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- $problems = append $problems "serviceMonitor.enabled and podMonitor.enabled exclude each other: every pod would be scraped twice" }}
{{- end }}
{{- if include "aws-iot-bulk-exporter.isSharded" . }}
{{- if .Values.hostNetwork }}
{{- $problems = append $problems "hostNetwork and several shards exclude each other: a shard's number comes from the pod's host name" }}
{{- end }}
{{- if ne .Values.service.type "ClusterIP" }}
{{- $problems = append $problems "service.type: must be ClusterIP with several shards, since each of them has figures of its own" }}
{{- end }}
{{- if and (include "aws-iot-bulk-exporter.hasClaim" .) .Values.persistence.existingClaim }}
{{- $problems = append $problems "persistence.existingClaim: several shards cannot share one claim; leave it empty, and each gets its own" }}
{{- end }}
{{- else if and (include "aws-iot-bulk-exporter.hasClaim" .) .Values.updateStrategy (ne "Recreate" (.Values.updateStrategy.type | default "")) }}
{{- $problems = append $problems "updateStrategy.type: must be Recreate with a claim, which a new pod gets when the old one has ended" }}
{{- end }}
{{- if and (include "aws-iot-bulk-exporter.hasState" .) .Values.persistence.existingClaim (not (include "aws-iot-bulk-exporter.hasClaim" .)) }}
{{- $problems = append $problems "persistence.existingClaim: nothing uses it unless persistence.type is persistentVolumeClaim" }}
{{- end }}
{{- if and (not (kindIs "invalid" .Values.podDisruptionBudget.minAvailable)) (not (kindIs "invalid" .Values.podDisruptionBudget.maxUnavailable)) }}
{{- $problems = append $problems "podDisruptionBudget: minAvailable and maxUnavailable exclude each other" }}
{{- end }}
{{- if eq .Values.reload.mode "sidecar" }}
{{- if or (include "aws-iot-bulk-exporter.needsPassword" .) (include "aws-iot-bulk-exporter.needsClientCertificate" .) }}
{{- $problems = append $problems "reload.mode: a sidecar has neither password nor client certificate; choose restart or none" }}
{{- end }}
{{- end }}
{{- if $problems }}
{{- fail (printf "\n%s" (join "\n" $problems)) }}
{{- end }}
{{- end }}
