{{- /* The pod template, the same in a Deployment and in a StatefulSet. */}}
{{- define "aws-iot-bulk-exporter.pod" -}}
{{- include "aws-iot-bulk-exporter.check" . -}}
{{- $annotations := dict }}
{{- if and (eq .Values.reload.mode "restart") (not .Values.existingConfigMap.name) }}
{{- $_ := set $annotations "checksum/config" (include "aws-iot-bulk-exporter.config" . | sha256sum) }}
{{- end -}}
metadata:
  labels:
    {{- include "aws-iot-bulk-exporter.podLabels" . | nindent 4 }}
  {{- with merge $annotations (.Values.podAnnotations | default dict) }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with include "aws-iot-bulk-exporter.pullSecrets" . | fromYamlArray }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ include "aws-iot-bulk-exporter.serviceAccountName" . | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.extraInitContainers }}
  initContainers:
    {{- tpl (toYaml .) $ | nindent 4 }}
  {{- end }}
  containers:
    - {{ include "aws-iot-bulk-exporter.container" . | indent 6 | trim }}
    {{- if eq .Values.reload.mode "sidecar" }}
    - {{ include "aws-iot-bulk-exporter.reloader" . | indent 6 | trim }}
    {{- end }}
    {{- with .Values.extraContainers }}
    {{- tpl (toYaml .) $ | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "aws-iot-bulk-exporter.volumes" . | nindent 4 }}
  {{- with include "aws-iot-bulk-exporter.scheduling" . }}
  {{- nindent 2 . }}
  {{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.container" -}}
name: exporter
image: {{ include "aws-iot-bulk-exporter.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  {{- include "aws-iot-bulk-exporter.args" . | nindent 2 }}
{{- with include "aws-iot-bulk-exporter.env" . | fromYamlArray }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: http
    containerPort: {{ .Values.containerPort }}
    {{- if .Values.hostNetwork }}
    # Otherwise, Kubernetes would add this port, and keep it after hostNetwork is disabled.
    hostPort: {{ .Values.containerPort }}
    {{- end }}
    protocol: TCP
{{- with .Values.livenessProbe }}
livenessProbe:
  {{- include "aws-iot-bulk-exporter.probe" (dict "root" $ "path" "/-/healthy" "settings" .) | nindent 2 }}
{{- end }}
{{- with .Values.readinessProbe }}
readinessProbe:
  {{- include "aws-iot-bulk-exporter.probe" (dict "root" $ "path" "/-/ready" "settings" .) | nindent 2 }}
{{- end }}
{{- with .Values.startupProbe }}
startupProbe:
  {{- include "aws-iot-bulk-exporter.probe" (dict "root" $ "path" "/-/healthy" "settings" .) | nindent 2 }}
{{- end }}
{{- with .Values.lifecycle }}
lifecycle:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  # Mount the whole directory. Kubernetes does not update a file that is mounted with subPath.
  - name: config
    mountPath: /etc/aws-iot-bulk-exporter
    readOnly: true
  {{- if include "aws-iot-bulk-exporter.hasWebConfig" . }}
  - name: web
    mountPath: /etc/aws-iot-bulk-exporter-web
    readOnly: true
  {{- end }}
  - name: tmp
    mountPath: /tmp
  {{- if include "aws-iot-bulk-exporter.hasState" . }}
  - name: state
    mountPath: {{ include "aws-iot-bulk-exporter.stateFolder" . }}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.args" -}}
- serve
- --config.file=/etc/aws-iot-bulk-exporter/config.yaml
- {{ printf "--web.listen-address=:%d" (int .Values.containerPort) | quote }}
- {{ printf "--log.level=%s" .Values.log.level | quote }}
- {{ printf "--log.format=%s" .Values.log.format | quote }}
{{- if ne .Values.web.telemetryPath "/metrics" }}
- {{ printf "--web.telemetry-path=%s" .Values.web.telemetryPath | quote }}
{{- end }}
{{- with .Values.web.externalUrl }}
- {{ printf "--web.external-url=%s" . | quote }}
{{- end }}
{{- if or .Values.web.externalUrl (include "aws-iot-bulk-exporter.prefix" .) }}
- {{ printf "--web.route-prefix=%s" .Values.web.routePrefix | quote }}
{{- end }}
{{- if include "aws-iot-bulk-exporter.hasWebConfig" . }}
- --web.config.file=/etc/aws-iot-bulk-exporter-web/web.yaml
{{- end }}
{{- if include "aws-iot-bulk-exporter.hasState" . }}
- --state.file={{ include "aws-iot-bulk-exporter.stateFolder" . }}/state.db
{{- end }}
{{- if include "aws-iot-bulk-exporter.isSharded" . }}
- {{ printf "--shard.total=%d" (int .Values.shards) | quote }}
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "aws-iot-bulk-exporter.env" -}}
{{- $variables := list }}
{{- with .Values.aws.region }}
{{- $variables = append $variables (dict "name" "AWS_REGION" "value" .) }}
{{- end }}
{{- with .Values.aws.credentialsSecret }}
{{- $keys := dict "AWS_ACCESS_KEY_ID" .accessKeyIdKey "AWS_SECRET_ACCESS_KEY" .secretAccessKeyKey "AWS_SESSION_TOKEN" .sessionTokenKey }}
{{- $secret := .name }}
{{- range $variable, $key := ternary $keys dict (not (empty $secret)) }}
{{- if $key }}
{{- $variables = append $variables (dict "name" $variable "valueFrom" (dict "secretKeyRef" (dict "name" $secret "key" $key))) }}
{{- end }}
{{- end }}
{{- end }}
{{- concat $variables (.Values.extraEnv | default list) | toYaml }}
{{- end }}

{{- define "aws-iot-bulk-exporter.reloader" -}}
name: reloader
image: {{ include "aws-iot-bulk-exporter.imageOf" (dict "root" . "image" .Values.reload.image) | quote }}
imagePullPolicy: {{ .Values.reload.image.pullPolicy }}
args:
  - --watched-dir=/etc/aws-iot-bulk-exporter
  # The sidecar does not verify the certificate, but it only sends requests to its own pod.
  - {{ printf "--reload-url=%s://localhost:%d%s/-/reload" (include "aws-iot-bulk-exporter.scheme" .) (int .Values.containerPort) (include "aws-iot-bulk-exporter.prefix" .) | quote }}
  - {{ printf "--log-level=%s" .Values.log.level | quote }}
  - {{ printf "--log-format=%s" .Values.log.format | quote }}
{{- with .Values.reload.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: config
    mountPath: /etc/aws-iot-bulk-exporter
    readOnly: true
{{- end }}

{{- define "aws-iot-bulk-exporter.volumes" -}}
- name: config
  configMap:
    name: {{ include "aws-iot-bulk-exporter.configMapName" . | quote }}
    items:
      - key: {{ .Values.existingConfigMap.name | empty | ternary "config.yaml" .Values.existingConfigMap.key | quote }}
        path: config.yaml
{{- if include "aws-iot-bulk-exporter.hasWebConfig" . }}
- name: web
  projected:
    # 288 is octal 0440: only the owner and the group of the pod can read the key.
    defaultMode: 288
    sources:
      - secret:
          name: {{ include "aws-iot-bulk-exporter.webSecretName" . | quote }}
          items:
            - key: {{ .Values.web.existingSecret.name | empty | ternary "web.yaml" .Values.web.existingSecret.key | quote }}
              path: web.yaml
      {{- with .Values.web.certificateSecret }}
      - secret:
          name: {{ . | quote }}
      {{- end }}
{{- end }}
- name: tmp
  emptyDir: {}
{{- include "aws-iot-bulk-exporter.stateVolume" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The scheduling and network fields of the pod. */}}
{{- define "aws-iot-bulk-exporter.scheduling" -}}
{{- $fields := dict }}
{{- range $key := list "priorityClassName" "runtimeClassName" "hostNetwork" "dnsPolicy" "dnsConfig" "hostAliases" "nodeSelector" "tolerations" "affinity" }}
{{- with get $.Values $key }}
{{- $_ := set $fields $key . }}
{{- end }}
{{- end }}
{{- if and .Values.hostNetwork (not .Values.dnsPolicy) }}
{{- $_ := set $fields "dnsPolicy" "ClusterFirstWithHostNet" }}
{{- end }}
{{- $own := dict "matchLabels" (include "aws-iot-bulk-exporter.selectorLabels" . | fromYaml) }}
{{- $spread := list }}
{{- range .Values.topologySpreadConstraints }}
{{- $selector := .labelSelector | default $own }}
{{- $spread = append $spread (merge (dict "labelSelector" $selector) (omit . "labelSelector")) }}
{{- end }}
{{- with $spread }}
{{- $_ := set $fields "topologySpreadConstraints" . }}
{{- end }}
{{- with $fields }}
{{- toYaml . }}
{{- end }}
{{- end }}
