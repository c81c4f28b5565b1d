{{- define "podtick.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of every object: the release's, with the chart's behind it unless it is part of it. */}}
{{- define "podtick.fullname" -}}
{{- $name := include "podtick.name" . -}}
{{- $whole := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- .Values.fullnameOverride | default $whole | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "podtick.selector" -}}
app.kubernetes.io/name: {{ include "podtick.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: agent
{{- end -}}

{{/* Labels of an object: (list $ COMPONENT) or (list $ COMPONENT MORE). commonLabels win over MORE, ours over both. */}}
{{- define "podtick.labels" -}}
{{- $root := index . 0 -}}
{{- $own := dict
  "app.kubernetes.io/name" (include "podtick.name" $root)
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/component" (index . 1)
  "app.kubernetes.io/part-of" "podtick"
  "app.kubernetes.io/managed-by" $root.Release.Service
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- $more := gt (len .) 2 | ternary (last .) dict -}}
{{- toYaml (merge $own $root.Values.commonLabels $more) -}}
{{- end -}}

{{- define "podtick.metadata" -}}
name: {{ include "podtick.fullname" . }}
namespace: {{ .Release.Namespace }}
labels: {{- include "podtick.labels" (list . "agent") | nindent 2 }}
{{- end -}}

{{- define "podtick.account" -}}
{{- $made := .Values.serviceAccount.create | ternary (include "podtick.fullname" .) "default" -}}
{{- .Values.serviceAccount.name | default $made -}}
{{- end -}}

{{- define "podtick.image" -}}
{{- with .Values.global.imageRegistry }}{{ . }}/{{ end -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end -}}

{{- define "podtick.pullSecrets" -}}
{{- range concat .Values.global.imagePullSecrets .Values.imagePullSecrets | uniq }}
- name: {{ . }}
{{- end -}}
{{- end -}}

{{/* Not empty where the agents are given the engine's socket. */}}
{{- define "podtick.docker" -}}
{{- $group := not (kindIs "invalid" .Values.docker.socketGroup) -}}
{{- if eq .Values.runtime "docker" -}}
{{- $group | ternary "yes" "" | required "runtime: docker needs docker.socketGroup, the number of the group that owns the engine's socket: `stat -c %g /run/docker.sock` on the node. Who is in that group is as good as root there; runtime: auto does without" -}}
{{- else if and $group (eq .Values.runtime "auto") -}}
yes
{{- end -}}
{{- end -}}

{{- define "podtick.nodeSelector" -}}
{{- toYaml (merge (dict "kubernetes.io/os" "linux") .Values.nodeSelector) -}}
{{- end -}}

{{- define "podtick.podSecurityContext" -}}
{{- $context := deepCopy .Values.podSecurityContext -}}
{{- if include "podtick.docker" . -}}
{{- $groups := append ($context.supplementalGroups | default list) (int64 .Values.docker.socketGroup) -}}
{{- $_ := set $context "supplementalGroups" $groups -}}
{{- end -}}
{{- with .Values.seLinuxOptions | default (.Values.openshift.scc | ternary (dict "type" "spc_t") dict) -}}
{{- $_ := set $context "seLinuxOptions" . -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{/* How an agent is scraped, by a PodMonitor or a ServiceMonitor alike. A series says itself which pod it is about:
the labels of the agent's own pod go, and what remains of the target is its node, also after an upgrade. */}}
{{- define "podtick.endpoint" -}}
port: metrics
path: /metrics
params:
  level: {{- toYaml .levels | nindent 4 }}
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
honorLabels: true
honorTimestamps: true
{{- if not (kindIs "invalid" .trackTimestampsStaleness) }}
trackTimestampsStaleness: {{ .trackTimestampsStaleness }}
{{- end }}
relabelings:
  - action: labeldrop
    regex: pod|container|namespace|endpoint|service
  - sourceLabels: [__meta_kubernetes_pod_node_name]
    targetLabel: node
  - sourceLabels: [__meta_kubernetes_pod_node_name]
    targetLabel: instance
  - targetLabel: job
    replacement: podtick
  {{- with .relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .metricRelabelings }}
metricRelabelings: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Under auto a node may have no engine; under docker it must answer before its agent is ready. */}}
{{- define "podtick.dockerHost" -}}
{{- if include "podtick.docker" . -}}
{{- eq .Values.runtime "auto" | ternary "auto:" "" }}unix:///host{{ .Values.docker.socket -}}
{{- else -}}
none
{{- end -}}
{{- end -}}
