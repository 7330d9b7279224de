{{- define "flowlake.name" -}}
{{- .Values.nameOverride | default .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "flowlake.selector" -}}
app.kubernetes.io/name: flowlake
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "flowlake.labels" -}}
{{ include "flowlake.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "flowlake.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The environment variable's value of a setting: text as it is, all else as JSON. */}}
{{- define "flowlake.value" -}}
{{- if kindIs "string" . -}}{{ . }}{{- else -}}{{ toJson . }}{{- end -}}
{{- end -}}

{{/* Secrets of one pod. Only the API is handed what only `serve` reads. */}}
{{- define "flowlake.secrets" -}}
{{- $served := list "keys" "key_pepper" "cursor_key" -}}
{{- range $name, $from := .root.Values.secretSettings }}
{{- if or (eq $.component "api") (not (has $name $served)) }}
- name: FLOWLAKE_{{ upper $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $from.name }}
      key: {{ $from.key }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
The metadata and spec of a pod.
root: the chart's own context; component: what it is; account: which service account;
args: the command's words; resources; optional: token (whether it may ask the
cluster's API), more (of the container), podMore (of the pod).
*/}}
{{- define "flowlake.pod" -}}
metadata:
  labels:
    {{- include "flowlake.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  annotations:
    # A pod reads settings when it starts: with others it is another pod.
    flowlake/settings: {{ toJson .root.Values.settings | sha256sum }}
spec:
  serviceAccountName: {{ include "flowlake.name" .root }}-{{ .account }}
  automountServiceAccountToken: {{ .token | default false }}
  enableServiceLinks: false  # a Service's FLOWLAKE_…_PORT would look like a setting
  # Else flowlake would be process 1, which Linux ends by no signal that it does not
  # handle: jobs would hold up a drain until they are killed.
  shareProcessNamespace: true
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ .root.Values.runAsUser }}
    runAsGroup: {{ .root.Values.runAsUser }}
    fsGroup: {{ .root.Values.runAsUser }}
    seccompProfile:
      type: RuntimeDefault
  {{- with .root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .podMore }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  containers:
    - name: flowlake
      image: {{ include "flowlake.image" .root | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: {{ toJson .args }}
      envFrom:
        - configMapRef:
            name: {{ include "flowlake.name" .root }}-settings
      env:
        - name: HOME
          value: /tmp
        {{- include "flowlake.secrets" . | trim | nindent 8 }}
      {{- with .more }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: ["ALL"]
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- if .root.Values.files }}
        - name: files
          mountPath: /etc/flowlake
          readOnly: true
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: {{ .root.Values.tmpSize }}
    {{- with .root.Values.files }}
    - name: files
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end -}}
