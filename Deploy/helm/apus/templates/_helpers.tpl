{{/* Labels of an object; the argument is a list of the root context and the component's name. */}}
{{- define "apus.labels" -}}
{{- $root := index . 0 -}}
{{ include "apus.selector" . }}
{{ include "apus.common" $root }}
{{- end }}

{{/* Labels of everything in the release. */}}
{{- define "apus.common" -}}
app.kubernetes.io/part-of: apus
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels that say which pods; the argument is a list of the root context and the component's name. */}}
{{- define "apus.selector" -}}
app.kubernetes.io/name: apus-{{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{- define "apus.claim" -}}
{{ .Values.model.volume.claimName | default (printf "%s-models" .Release.Name) }}
{{- end }}

{{- define "apus.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What both kinds of pods have; the argument is a list of the root context and the seconds of the drain. A pod is killed
after the sleep before SIGTERM, the drain, and a margin. */}}
{{- define "apus.pod" -}}
enableServiceLinks: false
terminationGracePeriodSeconds: {{ add (index . 1) 15 }}
{{- with (index . 0).Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Seconds that a router drains: an answer's, and with KEDA those before that it may wait for the first worker. */}}
{{- define "apus.routerSeconds" -}}
{{ add .Values.router.drainSeconds (ternary .Values.keda.queueSeconds 0 .Values.keda.enabled) }}
{{- end }}

{{- define "apus.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "apus.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where probes ask, and by which scheme. */}}
{{- define "apus.probePort" -}}
port: metrics{{ if .Values.adminTLS.enabled }}, scheme: HTTPS{{ end }}
{{- end }}

{{/* Flags of the certificate of metrics and health. */}}
{{- define "apus.adminFlags" -}}
- --admin-tls-cert=/etc/apus/admin/tls.crt
- --admin-tls-key=/etc/apus/admin/tls.key
{{- end }}

{{/* Liveness is forward progress of the step loop, never an inference. What hangs has nothing to drain: the second argument is
     for how many seconds it is waited for, the first the root. */}}
{{- define "apus.probes" -}}
{{- $root := index . 0 }}
livenessProbe:
  httpGet: {path: /livez, {{ include "apus.probePort" $root }}}
  periodSeconds: 10
  timeoutSeconds: 2
  terminationGracePeriodSeconds: {{ index . 1 }}
readinessProbe:
  httpGet: {path: /readyz, {{ include "apus.probePort" $root }}}
  periodSeconds: 2
  timeoutSeconds: 2
lifecycle:
  preStop:
    sleep:
      seconds: 5
{{- end }}

{{/* The secrets that routers read: the volume's name, the folder below /etc/apus, and the file, where it is but one. */}}
{{- define "apus.routerSecrets" -}}
{{- if .Values.mtls.enabled }}
- {volume: link-certificates, folder: link, secret: {{ .Release.Name }}-router-link}
{{- end }}
{{- if .Values.adminTLS.enabled }}
- {volume: admin-certificates, folder: admin, secret: {{ .Release.Name }}-router-admin}
{{- end }}
{{- if .Values.apiTLS.enabled }}
- {volume: api-certificates, folder: api, secret: {{ include "apus.apiSecret" . | quote }}}
{{- end }}
{{- if .Values.apiKeys.enabled }}
- {volume: api-keys, folder: keys, file: keys.yaml, secret: {{ .Values.apiKeys.secretName | default (printf "%s-api-keys" .Release.Name) | quote }}}
{{- end }}
{{- if .Values.resumeKey.enabled }}
- {volume: resume-key, folder: resume, file: resume.key, secret: {{ .Values.resumeKey.secretName | default (printf "%s-resume-key" .Release.Name) | quote }}}
{{- end }}
{{- end }}

{{- define "apus.apiSecret" -}}
{{ .Values.apiTLS.secretName | default (printf "%s-api" .Release.Name) }}
{{- end }}

{{/* Flags of the link's certificates; the argument is the role of the other side. */}}
{{- define "apus.linkFlags" -}}
- --link-tls-cert=/etc/apus/link/tls.crt
- --link-tls-key=/etc/apus/link/tls.key
- --link-tls-ca=/etc/apus/link/ca.crt
- --link-tls-peer=spiffe://apus/{{ . }}
{{- end }}
