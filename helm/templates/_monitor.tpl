{{- /* The endpoint of a ServiceMonitor or PodMonitor. Parameters: "root" and "monitor", its values. */}}
{{- define "aws-iot-bulk-exporter.endpoint" -}}
{{- $values := .root.Values }}
{{- $endpoint := dict "port" "http" }}
{{- range $key := list "interval" "scrapeTimeout" "relabelings" "metricRelabelings" }}
{{- with get $.monitor $key }}
{{- $_ := set $endpoint $key . }}
{{- end }}
{{- end }}
{{- $known := dict }}
{{- $path := include "aws-iot-bulk-exporter.metricsPath" .root }}
{{- if ne $path "/metrics" }}
{{- $_ := set $known "path" $path }}
{{- end }}
{{- if include "aws-iot-bulk-exporter.hasTls" .root }}
{{- $_ := set $known "scheme" "https" }}
{{- if $values.web.certificateSecret }}
{{- $ca := dict "secret" (dict "name" $values.web.certificateSecret "key" "ca.crt") }}
{{- $_ := set $known "tlsConfig" (dict "ca" $ca "serverName" (include "aws-iot-bulk-exporter.serverName" .root)) }}
{{- end }}
{{- end }}
{{- with $values.web.basicAuth }}
{{- if .secret }}
{{- $name := dict "name" .secret "key" .usernameKey }}
{{- $_ := set $known "basicAuth" (dict "username" $name "password" (dict "name" .secret "key" .passwordKey)) }}
{{- end }}
{{- end }}
{{- /* A tlsConfig from the values replaces the complete tlsConfig of the chart, because a mixture would not work. */}}
{{- range $key, $value := .monitor.endpoint }}
{{- $_ := set $known $key $value }}
{{- end }}
{{- merge $endpoint $known | toYaml }}
{{- end }}

{{- /* The milliseconds of a duration such as 1m30s. */}}
{{- define "aws-iot-bulk-exporter.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 }}
{{- $sum := 0 }}
{{- range regexFindAll "[0-9]+[a-z]+" . -1 }}
{{- $sum = add $sum (mul (regexFind "[0-9]+" .) (get $units (regexFind "[a-z]+" .))) }}
{{- end }}
{{- $sum }}
{{- end }}

{{- /* The spec of a monitor without its endpoints. Parameters as above. */}}
{{- define "aws-iot-bulk-exporter.monitorSpec" -}}
{{- $selector := dict "matchLabels" (include "aws-iot-bulk-exporter.selectorLabels" .root | fromYaml) }}
{{- $spec := dict "selector" $selector }}
{{- $namespace := include "aws-iot-bulk-exporter.namespace" .root }}
{{- if ne $namespace (.monitor.namespace | default $namespace) }}
{{- $_ := set $spec "namespaceSelector" (dict "matchNames" (list $namespace)) }}
{{- end }}
{{- merge $spec (.monitor.spec | default dict) | toYaml }}
{{- end }}
