{{- /* Properties of the web configuration. The templates "has..." and "needs..." return "true" or an empty text. */}}

{{- define "aws-iot-bulk-exporter.hasWebConfig" -}}
{{- if or .Values.web.config .Values.web.existingSecret.name }}true{{ end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.hasTls" -}}
{{- if .Values.web.existingSecret.name }}
{{- if .Values.web.existingSecret.tls }}true{{ end }}
{{- else if (.Values.web.config).tls_server_config }}true
{{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.needsClientCertificate" -}}
{{- if .Values.web.existingSecret.name }}
{{- if .Values.web.existingSecret.clientCertificate }}true{{ end }}
{{- else if eq "RequireAndVerifyClientCert" (((.Values.web.config).tls_server_config).client_auth_type | default "") }}true
{{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.needsPassword" -}}
{{- if .Values.web.existingSecret.name }}
{{- if .Values.web.existingSecret.basicAuth }}true{{ end }}
{{- else if (.Values.web.config).basic_auth_users }}true
{{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.scheme" -}}
{{- if include "aws-iot-bulk-exporter.hasTls" . }}https{{ else }}http{{ end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.webSecretName" -}}
{{- $own := include "aws-iot-bulk-exporter.fitted" (dict "most" 63 "name" (printf "%s-web" (include "aws-iot-bulk-exporter.fullname" .))) }}
{{- .Values.web.existingSecret.name | default $own }}
{{- end }}

{{- /* The prefix of all paths, without a slash at its end. */}}
{{- define "aws-iot-bulk-exporter.prefix" -}}
{{- .Values.web.routePrefix | default "" | trimSuffix "/" }}
{{- end }}

{{- /* The path of the metrics with the prefix of all paths. */}}
{{- define "aws-iot-bulk-exporter.metricsPath" -}}
{{- printf "%s%s" (include "aws-iot-bulk-exporter.prefix" .) .Values.web.telemetryPath }}
{{- end }}

{{- /* The name in the certificate. Scrapes use the IP addresses of the pods, so they need this name for TLS. */}}
{{- define "aws-iot-bulk-exporter.serverName" -}}
{{- printf "%s.%s.svc" (include "aws-iot-bulk-exporter.serviceName" .) (include "aws-iot-bulk-exporter.namespace" .) }}
{{- end }}

{{- /* The URL of the metrics inside the cluster. A headless Service does not translate ports. */}}
{{- define "aws-iot-bulk-exporter.url" -}}
{{- $port := .Values.service.port }}
{{- if include "aws-iot-bulk-exporter.isSharded" . }}
{{- $port = .Values.containerPort }}
{{- end }}
{{- printf "%s://%s:%d%s" (include "aws-iot-bulk-exporter.scheme" .) (include "aws-iot-bulk-exporter.serverName" .) (int $port) (include "aws-iot-bulk-exporter.metricsPath" .) }}
{{- end }}

{{- /* A probe. Parameters: "root", "path" and "settings", its values. */}}
{{- define "aws-iot-bulk-exporter.probe" -}}
{{- $chosen := dict }}
{{- if or .settings.httpGet .settings.tcpSocket .settings.exec .settings.grpc }}
{{- else if include "aws-iot-bulk-exporter.needsClientCertificate" .root }}
{{- $_ := set $chosen "tcpSocket" (dict "port" "http") }}
{{- else }}
{{- $get := dict "path" (printf "%s%s" (include "aws-iot-bulk-exporter.prefix" .root) .path) "port" "http" }}
{{- if include "aws-iot-bulk-exporter.hasTls" .root }}
{{- $_ := set $get "scheme" "HTTPS" }}
{{- end }}
{{- $_ := set $chosen "httpGet" $get }}
{{- end }}
{{- merge $chosen .settings | toYaml }}
{{- end }}
