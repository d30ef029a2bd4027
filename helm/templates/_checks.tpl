{{- /* Checks for combinations of values that a schema cannot report in plain words. All problems are reported at once. */}}
{{- define "aws-iot-bulk-exporter.check" -}}
{{- $problems := list }}
{{- if and .Values.config .Values.existingConfigMap.name }}
{{- $problems = append $problems "config and existingConfigMap.name are mutually exclusive: set only one of them" }}
{{- end }}
{{- if and .Values.web.config .Values.web.existingSecret.name }}
{{- $problems = append $problems "web.config and web.existingSecret.name are mutually exclusive: set only one of them" }}
{{- end }}
{{- if and .Values.web.certificateSecret (not (include "aws-iot-bulk-exporter.hasTls" .)) }}
{{- $problems = append $problems "web.certificateSecret: not used without TLS; add tls_server_config to web.config, or set web.existingSecret.tls" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- $problems = append $problems "serviceMonitor.enabled and podMonitor.enabled are mutually exclusive: Prometheus would scrape every pod twice" }}
{{- end }}
{{- range $name := list "serviceMonitor" "podMonitor" }}
{{- with get $.Values $name }}
{{- if and .enabled .interval .scrapeTimeout (gt (include "aws-iot-bulk-exporter.milliseconds" .scrapeTimeout | int64) (include "aws-iot-bulk-exporter.milliseconds" .interval | int64)) }}
{{- $problems = append $problems (printf "%s.scrapeTimeout: must be at most %s.interval, because the Prometheus Operator ignores a monitor with a longer time-out" $name $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if include "aws-iot-bulk-exporter.isSharded" . }}
{{- if .Values.hostNetwork }}
{{- $problems = append $problems "hostNetwork and several shards are mutually exclusive: a shard gets its number from the host name of its pod; set shards to 1" }}
{{- end }}
{{- if ne .Values.service.type "ClusterIP" }}
{{- $problems = append $problems "service.type: must be ClusterIP with several shards, because each shard has its own metrics" }}
{{- end }}
{{- if and (include "aws-iot-bulk-exporter.hasClaim" .) .Values.persistence.existingClaim }}
{{- $problems = append $problems "persistence.existingClaim: several shards cannot share one claim; leave it empty, and each shard gets its own claim" }}
{{- end }}
{{- else if and (include "aws-iot-bulk-exporter.hasClaim" .) .Values.updateStrategy (ne "Recreate" (.Values.updateStrategy.type | default "")) .Values.persistence.existingClaim }}
{{- $problems = append $problems "updateStrategy.type: must be Recreate with a claim, because the old pod must release the claim first" }}
{{- end }}
{{- if and (include "aws-iot-bulk-exporter.isStateful" .) (hasKey ((.Values.updateStrategy).rollingUpdate | default dict) "maxSurge") }}
{{- $problems = append $problems "updateStrategy.rollingUpdate.maxSurge: only a Deployment has this field, and several shards or a new claim need a StatefulSet; remove it" }}
{{- end }}
{{- if and (include "aws-iot-bulk-exporter.hasState" .) .Values.persistence.existingClaim (not (include "aws-iot-bulk-exporter.hasClaim" .)) }}
{{- $problems = append $problems "persistence.existingClaim: only used with persistence.type persistentVolumeClaim; set this type or remove the claim" }}
{{- end }}
{{- if and (not (kindIs "invalid" .Values.podDisruptionBudget.minAvailable)) (not (kindIs "invalid" .Values.podDisruptionBudget.maxUnavailable)) }}
{{- $problems = append $problems "podDisruptionBudget: minAvailable and maxUnavailable are mutually exclusive: set only one of them" }}
{{- end }}
{{- if eq .Values.reload.mode "sidecar" }}
{{- if or (include "aws-iot-bulk-exporter.needsPassword" .) (include "aws-iot-bulk-exporter.needsClientCertificate" .) }}
{{- $problems = append $problems "reload.mode: the sidecar has no password and no client certificate; use restart or none" }}
{{- end }}
{{- end }}
{{- if $problems }}
{{- fail (printf "\n%s" (join "\n" $problems)) }}
{{- end }}
{{- end }}
